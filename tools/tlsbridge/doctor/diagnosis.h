// What `tlsbridge doctor` has found: lines for people, or JSON.
//
// Thread: any. Failure: none.
#pragma once

#include <stdint.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace tlsbridge {

enum class Health : uint8_t { kOk, kWarn, kFail };

struct Finding {
  Health health = Health::kOk;
  const char* area = "";  // "config", "machine", ...; one word
  std::string what;
  std::string remedy;  // what mends it, often a command; of what is ok, empty
};

class Diagnosis {
 public:
  void Ok(const char* area, std::string what) { Add({Health::kOk, area, std::move(what), ""}); }
  void Warn(const char* area, std::string what, std::string remedy) {
    Add({Health::kWarn, area, std::move(what), std::move(remedy)});
  }
  void Fail(const char* area, std::string what, std::string remedy) {
    Add({Health::kFail, area, std::move(what), std::move(remedy)});
  }
  // One line each, whatever is in it.
  void Add(Finding finding);

  const std::vector<Finding>& findings() const { return findings_; }
  Health worst() const;

  // A line for each, with its remedy below it, and a line with the sum.
  std::string ToText() const;
  std::string ToJson() const;

 private:
  std::string Sum() const;

  std::vector<Finding> findings_;
};

}  // namespace tlsbridge
