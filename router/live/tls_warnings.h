// What is odd about a route's certificates and what goes with them, though it can be served.
//
// Thread: any. Failure: none.
#pragma once

#include <vector>

#include "router/config/config.h"
#include "router/live/route_tls.h"

namespace tlsbridge {

// Each names its file, where there is one. Of a route that could not be read whole, of what could.
std::vector<RouteFinding> TlsWarnings(const Route& route, const RouteTls& tls);

}  // namespace tlsbridge
