// The flags that every serving command shares: timeouts, limits, shutdown and the log.
//
// Thread: main's. Failure: a Status that names the flag.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bridge/socket_address.h"
#include "router/config/config.h"
#include "tools/tlsbridge/command_line.h"

namespace tlsbridge {

std::vector<FlagGroup> ServiceFlagGroups();

// The addresses of --listen, which belongs to the command's own group; empty if it was not given.
absl::StatusOr<std::vector<SocketAddress>> ListenFlag();

// Writes the flags' values into `config`, after checking them.
absl::Status ApplyServiceFlags(Config* config);
absl::StatusOr<LogSettings> LogFlags();

}  // namespace tlsbridge
