// What the program has in common with whoever starts it: exit codes, signals, variables, files. The
// man page and --help are made from these tables.
//
// Thread: any; immutable. Failure: none.
#pragma once

#include <string>
#include <vector>

namespace tlsbridge {

struct Convention {
  const char* name;  // "2", "SIGHUP", "TLSBRIDGE_ADMIN", "/etc/tlsbridge/tlsbridge.yaml"
  const char* text;  // sentences
};

const std::vector<Convention>& ExitCodes();
const std::vector<Convention>& SignalDescriptions();
const std::vector<Convention>& EnvironmentVariables();
const std::vector<Convention>& UsualFiles();

// All four, for --help.
std::string DescribeConventions();

}  // namespace tlsbridge
