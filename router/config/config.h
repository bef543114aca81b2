// Everything that the program can be told, as plain values with safe defaults. Made once from flags
// or a file; nothing below reads either.
//
// Thread: immutable once made; read by all. Owner: the router. Failure: none; who fills it in
// checks it.
#pragma once

#include <stdint.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bridge/bridge.h"
#include "bridge/socket_address.h"
#include "tls/server_context.h"

namespace tlsbridge {

// Zero turns a timeout off.
struct Timeouts {
  absl::Duration handshake = absl::Seconds(10);
  absl::Duration connect = absl::Seconds(5);
  // From the backend's connection to the first byte either way: a server-first protocol is not cut
  // by it.
  absl::Duration initial_data = absl::Seconds(60);
  // Without a byte either way.
  absl::Duration inactivity = absl::Hours(4);
  // Without a byte, once one peer has ended its stream. A slow peer that still takes what is
  // buffered for it is not silent.
  absl::Duration half_close = absl::Seconds(60);
  // Varied by 5 % each way, so that connections made together do not end together. A connection in
  // use then has Shutdown::drain_timeout to fall idle.
  absl::Duration max_lifetime = absl::Hours(24);
};

enum class KeepAliveTreatment : uint8_t {
  kStandard,  // the inactivity timeout as it is
  kExtended,  // multiplied; a warning is logged before the end
  kImmortal,  // no inactivity timeout
};

struct KeepAlive {
  KeepAliveTreatment treatment = KeepAliveTreatment::kStandard;
  double multiplier = 6;
  // How long before the end of an extended connection the warning is logged; half of its timeout at
  // most.
  absl::Duration warning = absl::Minutes(10);
};

// Zero means no limit, except for `connections`, where it means what descriptors and memory allow.
struct Limits {
  int64_t connections = 0;
  // Off by default: behind a gateway or another proxy all clients share one address.
  int64_t connections_per_ip = 0;
  int64_t new_per_ip_per_minute = 0;
};

struct Route {
  std::string name;
  SocketAddress backend;
  std::shared_ptr<const tls::ServerContext> tls;
  Timeouts timeouts;
  KeepAlive keep_alive;
  Bridge::Options bridge;
  int64_t connections = 0;  // limit of this route; zero: none
};

struct Shutdown {
  // After SIGTERM, accepting goes on for this long, while load balancers take notice.
  absl::Duration drain_delay;
  // Then connections have this long to end by themselves; also those that are too old.
  absl::Duration drain_timeout = absl::Seconds(30);
};

struct Config {
  std::vector<SocketAddress> listeners;
  std::optional<SocketAddress> admin;  // loopback or a UNIX path
  Route route;
  Limits limits;
  Shutdown shutdown;
};

}  // namespace tlsbridge
