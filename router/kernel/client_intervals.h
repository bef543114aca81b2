// Cuts the addresses of one family into intervals of clients that one route serves. They do not
// overlap, so that the kernel's maps need no order, and leave out whom the program serves or
// refuses.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <stddef.h>

#include <vector>

#include "absl/types/span.h"
#include "router/kernel/plan.h"

namespace tlsbridge::kernel {

struct ClientInterval {
  IpBytes first = {};
  IpBytes last = {};
  size_t route = 0;

  bool operator==(const ClientInterval&) const = default;
};

// Sorted; neighbours of one route are joined. `is_v4` says which family.
std::vector<ClientInterval> CutClients(absl::Span<const Claim> claims,
                                       absl::Span<const Route> routes, bool is_v4);

bool IsV4(const IpBytes& address);
// Whether it is every client of its family.
bool IsEverybody(const ClientInterval& interval);

}  // namespace tlsbridge::kernel
