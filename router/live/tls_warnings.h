// What is odd about a route's certificates and what goes with them, though it can be served.
//
// Thread: any. Failure: none.
#pragma once

#include <string>
#include <vector>

#include "router/config/config.h"
#include "router/live/credentials.h"

namespace tlsbridge {

// Each names its file, where there is one.
std::vector<std::string> TlsWarnings(const Route& route, const RouteTls& tls);

}  // namespace tlsbridge
