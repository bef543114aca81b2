// Which flag stands for which key, and what exists as a flag only.
//
// Thread: any; immutable. Failure: none.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/tlsbridge/command_line.h"

namespace tlsbridge {

struct KeyFlag {
  Flag flag;
  std::string key;  // "routes[].timeouts.handshake"; empty for one that is no key by itself
};

struct KeyFlagGroup {
  std::string title;
  bool of_operation;  // needs neither TLS nor a backend
  std::vector<KeyFlag> flags;
};

const std::vector<KeyFlagGroup>& KeyFlagGroups();

// The flag for a key, or for what it is in: "listen" for "listeners[2].address". Empty for none.
std::string FlagOfPath(absl::string_view path);

// How a message names a key and its value.
std::string FlagNaming(absl::string_view path, absl::string_view value);

}  // namespace tlsbridge
