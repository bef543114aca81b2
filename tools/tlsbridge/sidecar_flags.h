// The flags of `tlsbridge sidecar`, and the configuration that they make: the same plain structs as
// a file's.
//
// Thread: main's. Failure: a Status that names the flag and what it takes.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "router/config/config.h"
#include "tools/tlsbridge/command_line.h"

namespace tlsbridge {

std::vector<FlagGroup> SidecarFlagGroups();

// After ParseFlags(). Nothing is opened, loaded or looked up.
absl::StatusOr<Config> SidecarConfigFromFlags();

}  // namespace tlsbridge
