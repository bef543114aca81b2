#include "router/kernel/flow_owner.h"

#include <algorithm>

namespace tlsbridge::kernel {
namespace {

bool IsAnyAddress(const IpBytes& address) {
  return std::all_of(address.begin() + (IsV4(address) ? 12 : 0), address.end(),
                     [](uint8_t byte) { return byte == 0; });
}

}  // namespace

FlowOwner::FlowOwner(const Plan& plan) {
  for (const Listener& listener : plan.listeners) {
    const bool v4 = IsV4(listener.address.address);
    Intervals intervals = CutClients(listener.claims, plan.routes, v4);
    if (IsAnyAddress(listener.address.address)) {
      any_[{v4, listener.address.port}] = std::move(intervals);
    } else {
      exact_[listener.address] = std::move(intervals);
    }
  }
  for (const Route& route : plan.routes) {
    routes_.push_back(route.name);
    std::vector<Endpoint>& backends = backends_.emplace_back();
    for (const Backend& backend : route.backends) backends.push_back(backend.endpoint);
    std::sort(backends.begin(), backends.end());
  }
}

const FlowOwner::Intervals* FlowOwner::IntervalsOf(const Endpoint& dialled) const {
  const auto exact = exact_.find(dialled);
  if (exact != exact_.end()) return &exact->second;
  const auto any = any_.find({IsV4(dialled.address), dialled.port});
  return any == any_.end() ? nullptr : &any->second;
}

std::optional<std::string> FlowOwner::Find(const netlink::FlowTuple& original,
                                           const netlink::FlowTuple& reply) const {
  const Endpoint dialled = {original.destination, original.destination_port};
  const Endpoint backend = {reply.source, reply.source_port};
  // Who answers is who was dialled: nothing was translated.
  if (dialled == backend) return std::nullopt;
  const Intervals* const intervals = IntervalsOf(dialled);
  if (intervals == nullptr) return std::nullopt;
  auto interval = std::upper_bound(
      intervals->begin(), intervals->end(), original.source,
      [](const IpBytes& client, const ClientInterval& other) { return client < other.first; });
  if (interval == intervals->begin()) return std::nullopt;
  --interval;
  if (interval->last < original.source) return std::nullopt;
  const std::vector<Endpoint>& backends = backends_[interval->route];
  if (!std::binary_search(backends.begin(), backends.end(), backend)) return std::nullopt;
  return routes_[interval->route];
}

}  // namespace tlsbridge::kernel
