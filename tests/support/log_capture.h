// What the program's log says during a test.
//
// Thread: the test's. Owner: the test; one at a time, because it takes standard error. Failure:
// EXPECTs of gtest for a line that is no JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tlsbridge::testing {

class LogCapture {
 public:
  LogCapture() { Start(); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  ~LogCapture() { Collect(); }

  // All events so far with that name.
  std::vector<nlohmann::json> Events(const std::string& name);

 private:
  void Start();
  void Collect();

  std::vector<nlohmann::json> events_;
};

}  // namespace tlsbridge::testing
