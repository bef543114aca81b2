// The configuration file of `run` and `check`, read from disk.
//
// Thread: main's. Failure: `problems`, also for a file that cannot be read.
#pragma once

#include <string>

#include "router/yaml/parse_config.h"
#include "tools/tlsbridge/command_line.h"

namespace tlsbridge {

// Variables come from the program's environment. Files that the configuration names are not looked
// at.
ParsedConfig ReadConfigFile(const std::string& path);

// --config.
Flag ConfigFlag();

}  // namespace tlsbridge
