// The flags of `tlsbridge sidecar` about TLS: certificates, protocol, clients, and the backend's.
//
// Thread: main's. Failure: a Status that names the flag and what it takes.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "router/config/config.h"
#include "tools/tlsbridge/command_line.h"

namespace tlsbridge {

std::vector<FlagGroup> TlsFlagGroups();

absl::Status ApplyTlsFlags(Route* route);

}  // namespace tlsbridge
