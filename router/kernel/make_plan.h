// Makes the plan of a configuration and of what is known of its backends.
//
// The kernel sees addresses and ports alone. It gets a client if one of its routes wins for that
// client whatever its ClientHello says; a route of the program's that would win for some
// ClientHello is asked first, and takes all clients that it may be for.
//
// Of a route's backends serve those that the pool would choose from: the good ones of the first
// tier that has enough of them. If no tier has, none serves, and the program decides what to do.
//
// Thread: any; pure. Failure: none; what the kernel cannot do (names, UNIX sockets, loopback,
// listeners that await a PROXY header) is left to the program.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "router/backends/backend_pool.h"
#include "router/config/config.h"
#include "router/kernel/plan.h"

namespace tlsbridge::kernel {

// What a route's pool says of its endpoints; of a route that has no pool, none.
using EndpointsOf = std::function<std::vector<EndpointStatus>(const std::string& route)>;

Plan MakePlan(const Config& config, const EndpointsOf& endpoints, absl::Time now);

// One of its routes. REQUIRES: the kernel's, and one that forwards.
Route MakeRoute(const tlsbridge::Route& route, absl::Span<const EndpointStatus> endpoints,
                absl::Time now);

}  // namespace tlsbridge::kernel
