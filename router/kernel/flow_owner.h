// Whose a flow is: finds the route of a connection that the kernel has forwarded.
//
// Thread: any; immutable. Owner: the caller; keeps nothing of the plan. Failure: nullopt for flows
// of others, and for connections that the program itself accepted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "router/kernel/client_intervals.h"
#include "router/kernel/netlink/flow_message.h"
#include "router/kernel/plan.h"

namespace tlsbridge::kernel {

class FlowOwner {
 public:
  explicit FlowOwner(const Plan& plan);

  // The name of the route.
  std::optional<std::string> Find(const netlink::FlowTuple& original,
                                  const netlink::FlowTuple& reply) const;

 private:
  using Intervals = std::vector<ClientInterval>;

  const Intervals* IntervalsOf(const Endpoint& dialled) const;

  std::map<Endpoint, Intervals> exact_;
  std::map<std::pair<bool, uint16_t>, Intervals> any_;  // by whether it is IPv4, and port
  std::vector<std::string> routes_;
  std::vector<std::vector<Endpoint>> backends_;  // of each route, sorted
};

}  // namespace tlsbridge::kernel
