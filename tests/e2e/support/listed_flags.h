// The flags that --help lists. Any thread.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace tlsbridge::e2e {

struct ListedFlag {
  std::string name;  // with dashes in front
  std::string default_value;
};

// A flag is a line of its own; the text below it may end with its default in brackets.
inline std::vector<ListedFlag> ListedFlags(const std::string& help) {
  std::vector<ListedFlag> result;
  for (absl::string_view line : absl::StrSplit(help, '\n')) {
    if (absl::StartsWith(line, "  --")) {
      result.push_back({std::string(line.substr(2)), ""});
    } else if (!result.empty() && absl::ConsumeSuffix(&line, "]")) {
      result.back().default_value = std::string(line.substr(line.rfind('[') + 1));
    }
  }
  return result;
}

}  // namespace tlsbridge::e2e
