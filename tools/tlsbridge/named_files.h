// A configuration file and what is in the files that it names: certificates, keys, CAs, CRLs,
// ticket secrets.
//
// Thread: main's. Failure: `problems`, each where it is, or where the file is named.
#pragma once

#include <string>
#include <vector>

#include "bridge/event/clock.h"
#include "router/live/route_tls.h"
#include "router/yaml/parse_config.h"

namespace tlsbridge {

struct FileFindings {
  std::vector<Problem> problems;  // what keeps a route from being served
  std::vector<Problem> warnings;  // what `run` would log
  std::vector<RouteTls> tls;      // of each route, what could be read
};

// Of every part of a route that is sound, whatever is wrong elsewhere in the file.
FileFindings CheckNamedFiles(const ParsedConfig& parsed, const Clock& clock);

// Both, by position.
std::vector<Problem> AllProblems(const ParsedConfig& parsed, const FileFindings& files);

}  // namespace tlsbridge
