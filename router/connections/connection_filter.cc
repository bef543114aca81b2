#include "router/connections/connection_filter.h"

namespace tlsbridge {

bool ConnectionFilter::Matches(const ConnectionRecord& record, BridgeState now) const {
  if (state && now != *state) return false;
  if (reason && (!record.cleanup_started || record.end.reason != *reason)) return false;
  if (route && record.route->name != *route) return false;
  if (unix_peer && !record.peer.is_unix()) return false;
  if (peer && !peer->Contains(record.peer)) return false;
  return !peer_port || record.peer.port() == *peer_port;
}

}  // namespace tlsbridge
