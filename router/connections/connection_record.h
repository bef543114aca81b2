// What the router knows of one connection.
//
// Thread: the worker's. Owner: the Connection that it describes. Failure: none.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "bridge/bridge.h"
#include "bridge/socket_address.h"
#include "router/config/config.h"

namespace tlsbridge {

struct ConnectionRecord {
  uint64_t id = 0;
  SocketAddress peer;  // the client; as a PROXY header says, if there was one
  // With such a header: who sent it, and where the client thought to connect to.
  struct Proxied {
    SocketAddress by;
    SocketAddress destination;
  };
  std::unique_ptr<Proxied> proxied;
  const SocketAddress* listener = nullptr;
  const Route* route = nullptr;  // never null; until one is chosen, what applies without one
  bool routed = false;
  std::string server_name;  // as the ClientHello has it; empty for none

  // All by the loop's clock.
  absl::Time accepted_at;
  absl::Time ended_at = absl::InfiniteFuture();  // closing follows
  absl::Time client_ready_at = absl::InfiniteFuture();
  absl::Time connecting_since = absl::InfiniteFuture();
  absl::Time connected_at = absl::InfiniteFuture();
  absl::Time first_answer_at = absl::InfiniteFuture();
  absl::Time attempt_began_at = absl::InfiniteFuture();
  // When the backend being dialled is given up for the next; infinite if there is no other.
  absl::Time attempt_ends_at = absl::InfiniteFuture();
  // The maximum, with its jitter; infinite for none.
  absl::Duration lifetime = absl::InfiniteDuration();
  // Too old but in use: when to look again whether it has fallen idle.
  absl::Time next_drain_look = absl::InfinitePast();
  absl::Time half_closed_at = absl::InfiniteFuture();
  bool keepalive_tightened = false;
  bool retired = false;  // its route is gone; `lifetime` ended at that time
  // Later bytes withdraw the warning.
  absl::Time inactivity_warned_at = absl::InfinitePast();

  // Set once, by InitiateCleanupOnce. Its reasons are also the sides' termination reasons.
  bool cleanup_started = false;
  End end;

  // Of lines about it.
  LogLevel least_level() const { return route->log_level.value_or(CurrentLogLevel()); }
};

}  // namespace tlsbridge
