#include "router/connections/connection_filter.h"

namespace tlsbridge {

bool ConnectionFilter::Matches(const ConnectionRecord& record, BridgeState now) const {
  if (state && now != *state) return false;
  if (reason && (!record.cleanup_started || record.end.reason != *reason)) return false;
  if (route && record.route->name != *route) return false;
  return MatchesPeer(record.peer);
}

bool ConnectionFilter::MatchesPeer(const SocketAddress& client) const {
  if (unix_peer && !client.is_unix()) return false;
  if (peer && !peer->Contains(client)) return false;
  return !peer_port || client.port() == *peer_port;
}

}  // namespace tlsbridge
