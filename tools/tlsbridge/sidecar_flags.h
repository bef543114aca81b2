// The flags of `tlsbridge sidecar`, and the configuration that they make: the same plain structs as
// a file's.
//
// Thread: main's. Failure: problems, each naming its flag.
#pragma once

#include <vector>

#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/key_flags.h"

namespace tlsbridge {

std::vector<FlagGroup> SidecarFlagGroups();

// Nothing is opened, loaded or looked up.
FlagConfig SidecarConfig(const GivenFlags& given);

}  // namespace tlsbridge
