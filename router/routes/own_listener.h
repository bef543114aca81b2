// Whether a backend is this program itself: a connection that is bridged to it is bridged again,
// until descriptors run out.
//
// Thread: any. Failure: none.
#pragma once

#include <stddef.h>

#include <optional>

#include "bridge/socket_address.h"
#include "router/config/config.h"

namespace tlsbridge {

// The listener of `config` whose clients `route` may take and that `backend` reaches; none if there
// is no such one. A listener that the route takes no clients of may be a backend: two routes in a
// row end.
std::optional<size_t> OwnListener(const Config& config, const Route& route,
                                  const SocketAddress& backend);

}  // namespace tlsbridge
