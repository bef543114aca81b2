// What DNS answered, as endpoints: each server once, whatever families it has.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <vector>

#include "absl/types/span.h"
#include "bridge/socket_address.h"
#include "router/backends/backend_pool.h"
#include "router/backends/dns_client.h"

namespace tlsbridge {

// The addresses of a name. Connections are spread over the family that has more of them; each also
// gets one of the other family, to be raced against (RFC 8305). If both have as many, the family
// of the first address is dialled first. The result does not depend on the order within a family,
// which name servers like to change.
std::vector<ResolvedEndpoint> EndpointsAt(absl::Span<const SocketAddress> addresses);

// The targets of a service, `addresses[i]` those of `records[i]`. Priorities are tiers, weights are
// shares whose mean is 1 in each tier (RFC 2782).
std::vector<ResolvedEndpoint> EndpointsAt(absl::Span<const SrvRecord> records,
                                          absl::Span<const std::vector<SocketAddress>> addresses);

}  // namespace tlsbridge
