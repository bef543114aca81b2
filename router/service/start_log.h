// What the log is told when the service starts: where it listens, whom it serves, how many fit.
//
// Thread: main's. Failure: none.
#pragma once

#include <stdint.h>

#include <string>

#include "absl/types/span.h"
#include "bridge/socket_address.h"
#include "router/config/config.h"

namespace tlsbridge {

// One line a route, but not thousands.
void LogRoutes(const Config& config);

// Where a backend cannot be told that a stream is cut short.
void LogUnixBackends(const Config& config);

struct Capacity {
  int64_t routes_down = 0;
  int64_t workers = 0;
  int64_t connections = 0;
  int64_t handshakes = 0;
  int64_t handshakes_per_ip = 0;
  int64_t descriptors = 0;
  int64_t generation = 1;
  std::string sandbox;  // what of it is in force
};
// The line "ready", and a warning if fewer connections fit than are wanted.
void LogReady(const Config& config, const Capacity& capacity);

}  // namespace tlsbridge
