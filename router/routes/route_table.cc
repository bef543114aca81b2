#include "router/routes/route_table.h"

#include <algorithm>
#include <bit>

namespace tlsbridge {

std::optional<size_t> RouteTable::Find(const Query& query) const {
  std::array<const Domain*, 3> domains = {nullptr, nullptr, &all_};
  if (!query.server_name.empty()) {
    if (const auto it = exact_.find(query.server_name); it != exact_.end()) {
      domains[0] = &it->second;
    }
    const absl::string_view parent = ParentDomain(query.server_name);
    if (const auto it = wildcard_.find(parent); it != wildcard_.end()) domains[1] = &it->second;
  }
  const uint64_t protocols = ProtocolsOf(query.alpn);
  const int version = VersionKindOf(query.best_version);

  Place best = kNoPlace;
  for (const Domain* domain : domains) {
    if (domain == nullptr) continue;
    uint32_t node = InnermostNode(*domain, query.client);
    while (node != kNoNode && nodes_[node].bound < best) {
      best = std::min(best, BestIn(node, query.port, protocols, version));
      node = nodes_[node].parent;
    }
  }
  if (best == kNoPlace) return std::nullopt;
  return routes_[best];
}

uint64_t RouteTable::ProtocolsOf(const tls::AlpnNames& offered) const {
  uint64_t set = 0;
  if (protocols_.empty()) return set;
  for (const absl::string_view protocol : offered) {
    const auto it = protocols_.find(protocol);
    if (it != protocols_.end()) set |= uint64_t{1} << it->second;
  }
  return set;
}

uint32_t RouteTable::InnermostNode(const Domain& domain,
                                   const std::optional<IpBytes>& client) const {
  if (!client.has_value() || domain.boundaries == 0) return domain.root;
  const auto begin = boundaries_.begin() + domain.first_boundary;
  const auto behind =
      std::upper_bound(begin, begin + domain.boundaries, *client,
                       [](const IpBytes& a, const Boundary& b) { return a < b.start; });
  return behind == begin ? domain.root : std::prev(behind)->node;
}

RouteTable::Place RouteTable::BestIn(uint32_t node, uint16_t port, uint64_t protocols,
                                     int version) const {
  const Node& here = nodes_[node];
  const auto index = static_cast<size_t>(version);
  Place best = here.winners[index];
  const uint64_t offered = here.protocols & protocols;
  const auto look = [&](uint32_t port_prefix, int protocol) {
    const auto it = winners_.find(Key(node, port_prefix, protocol));
    if (it != winners_.end()) best = std::min(best, it->second[index]);
  };
  const auto look_at_protocols = [&](uint32_t port_prefix) {
    for (uint64_t rest = offered; rest != 0; rest &= rest - 1) {
      look(port_prefix, std::countr_zero(rest));
    }
  };
  look_at_protocols(0);
  if (port == 0) return best;
  for (uint32_t rest = here.port_lengths; rest != 0; rest &= rest - 1) {
    const uint32_t prefix = PortPrefix(port, std::countr_zero(rest));
    look(prefix, -1);
    look_at_protocols(prefix);
  }
  return best;
}

}  // namespace tlsbridge
