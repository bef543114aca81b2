// What is in the files that a configuration names: certificates, keys, CAs, CRLs, ticket secrets.
//
// Thread: main's. Failure: `problems`, each at the place where the file is named.
#pragma once

#include <string>
#include <vector>

#include "bridge/event/clock.h"
#include "router/yaml/parse_config.h"

namespace tlsbridge {

struct NamedFilesReport {
  std::vector<Problem> problems;      // all that keeps `run` from starting
  std::vector<std::string> warnings;  // what it would log; empty where there are problems
};

// REQUIRES: `parsed` has no problems.
NamedFilesReport ReadNamedFiles(const ParsedConfig& parsed, const Clock& clock);

}  // namespace tlsbridge
