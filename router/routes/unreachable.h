// Finds routes that no connection can take, because another route always wins over them.
//
// Each pair is certain: the winner matches whatever the route matches (every list of it covers the
// route's list), and wins. Not found are routes that only several others together leave nothing.
//
// Thread: any; pure. Failure: none. RouteTable::Create() has accepted the routes.
#pragma once

#include <stddef.h>

#include <vector>

#include "absl/types/span.h"
#include "router/config/config.h"

namespace tlsbridge {

struct UnreachableRoute {
  size_t route = 0;   // positions in what was given
  size_t winner = 0;  // of those that always win over it, the first to be asked
};

// In the order of `route`, once each.
std::vector<UnreachableRoute> FindUnreachable(absl::Span<const Route> routes);

}  // namespace tlsbridge
