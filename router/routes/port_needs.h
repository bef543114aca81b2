// What the routes need to know of a connection on one port before they can be told apart.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <stdint.h>

#include "absl/types/span.h"
#include "router/config/config.h"

namespace tlsbridge {

// Of the routes that can match on a port, whatever the client is. Conservative: that a route never
// wins is not looked at.
struct PortNeeds {
  // False: port and client address alone decide. True: SNI, ALPN or the version may.
  bool client_hello = false;

  // What may become of a connection; `no_route` if some may match none.
  bool terminate = false;
  bool passthrough = false;
  bool reencrypt = false;
  bool block = false;
  bool no_route = true;
};

// `port` as in RouteTable::Query.
PortNeeds NeedsOfPort(absl::Span<const Route> routes, uint16_t port);

}  // namespace tlsbridge
