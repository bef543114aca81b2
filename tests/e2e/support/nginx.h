// The real nginx as an HTTP backend that serves the files of a folder, in the foreground and with
// all it writes in a folder of the test's.
//
// Threads: one owns it. Lifetime: the destructor ends it; the TempDir must outlive it. Failure:
// Start() says why, with what nginx wrote.

#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/temp_dir.h"

namespace tlsbridge::e2e {

class Nginx {
 public:
  // Listens on a free port of 127.0.0.1, or on `listen` as our configuration would say it. `terms`
  // are nginx's own: parameters of the listener, and more lines of the server.
  static absl::StatusOr<std::unique_ptr<Nginx>> Start(const TempDir& dir,
                                                      absl::string_view listen = "",
                                                      absl::string_view terms = "");

  const std::string& address() const { return address_; }
  void AddFile(absl::string_view name, absl::string_view content) const;

 private:
  Nginx(const TempDir& dir, std::string address) : dir_(dir), address_(std::move(address)) {}

  const TempDir& dir_;
  const std::string address_;
  std::unique_ptr<Process> process_;
};

}  // namespace tlsbridge::e2e
