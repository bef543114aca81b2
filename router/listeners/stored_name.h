// The name by which the service manager stores a listening socket of ours (FDNAME=, sd_notify(3))
// and gives it back after a crash: what it is for, which address was wanted, and which it has.
//
//   tlsbridge-listener=127.0.0.1%3A0=127.0.0.1%3A40123
//
// Thread: any; pure functions. Failure: no name.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "bridge/socket_address.h"
#include "router/listeners/inherited_sockets.h"

namespace tlsbridge {

struct StoredName {
  InheritedSockets::Use use = {};
  SocketAddress wanted;  // as configured
  SocketAddress bound;   // with the port that the kernel gave

  // Empty for one that would be too long for systemd.
  std::string ToString() const;
};

// Nothing for a name that none of ours is.
std::optional<StoredName> ParseStoredName(absl::string_view name);

}  // namespace tlsbridge
