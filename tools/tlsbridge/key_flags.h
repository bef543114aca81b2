// Flags that are keys of the configuration file: name, help, default, bounds, checks and messages
// come from the same table (router/yaml/keys.h).
//
// A key's flag has the key's path for a name: `routes[].health_check.interval` is
// --health-check-interval. Those that had a name before have kept it; a few flags say what takes
// several keys, and have help of their own.
//
// Thread: any. Failure: problems, each naming its flag.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "router/yaml/settings.h"
#include "tools/tlsbridge/command_line.h"

namespace tlsbridge {

// All that a route before one service can be told.
std::vector<FlagGroup> ServiceFlagGroups();
// Those of the whole program, and of a route those that need no TLS and no backend.
std::vector<FlagGroup> OperationFlagGroups();

// The configuration of one route that flags make, with whatever is wrong in it.
struct FlagConfig {
  std::vector<Setting> settings;
  ParsedConfig parsed;
  std::vector<std::string> problems;  // "--flag: why", of flags and of keys; a line each

  // How a problem in `parsed`, or in a file that it names, is told to whom typed the flags.
  std::string TextOf(const Problem& problem) const;
};

// `more` are settings of the command's own. Whether listeners, backends and certificates are
// missing is for the command to say.
FlagConfig ConfigOf(const GivenFlags& given, std::vector<Setting> more);

}  // namespace tlsbridge
