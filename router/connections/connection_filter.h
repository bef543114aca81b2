// Which of the live connections an operator asks for.
//
// Thread: any; a value. Failure: none.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>

#include "bridge/bridge_state.h"
#include "bridge/termination_reason.h"
#include "router/config/cidr.h"
#include "router/connections/connection_record.h"

namespace tlsbridge {

struct ConnectionFilter {
  std::optional<std::string> route;         // its name
  std::optional<TerminationReason> reason;  // of those whose end is decided
  std::optional<BridgeState> state;
  // Of the client: an address or a block of them, or with `port` one connection; or all on UNIX
  // sockets.
  std::optional<Cidr> peer;
  std::optional<uint16_t> peer_port;
  bool unix_peer = false;

  bool all() const { return !route && !reason && !state && !peer && !unix_peer; }
  bool Matches(const ConnectionRecord& record, BridgeState now) const;
  bool MatchesPeer(const SocketAddress& client) const;
};

}  // namespace tlsbridge
