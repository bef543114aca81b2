#include "router/routes/client_claims.h"

#include <algorithm>

#include "router/routes/match_order.h"

namespace tlsbridge {
namespace {

struct Candidate {
  MatchRank rank;
  ClientClaim claim;
};

}  // namespace

ClientClaims::ClientClaims(absl::Span<const Route> routes) : routes_(routes) {
  for (size_t i = 0; i < routes.size(); ++i) {
    const std::vector<PortRange>& ports = routes[i].match.ports;
    if (ports.size() == 1 && ports[0].first == ports[0].last) {
      of_one_port_[ports[0].first].push_back(i);
    } else {
      of_several_.push_back(i);
    }
  }
}

std::vector<ClientClaim> ClientClaims::On(uint16_t port) const {
  std::vector<Candidate> candidates;
  const auto add = [this, port, &candidates](size_t index) {
    const Route& route = routes_[index];
    if (!route.match.TakesPort(port)) return;
    MatchRank rank = RankOf(route, index);
    for (const std::string& domain : route.match.domains) {
      rank.domain = std::max(rank.domain, DomainKindOf(domain));
    }
    if (route.match.client_ip.empty()) candidates.push_back({rank, {std::nullopt, index}});
    for (const Cidr& block : route.match.client_ip) {
      rank.prefix_length = block.length();
      candidates.push_back({rank, {block, index}});
    }
  };
  if (const auto found = of_one_port_.find(port); found != of_one_port_.end()) {
    std::for_each(found->second.begin(), found->second.end(), add);
  }
  std::for_each(of_several_.begin(), of_several_.end(), add);
  // Ranks of one route's blocks may be equal; then they do not overlap, or are the same.
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return WinsOver(a.rank, b.rank); });
  std::vector<ClientClaim> claims;
  claims.reserve(candidates.size());
  for (const Candidate& candidate : candidates) claims.push_back(candidate.claim);
  return claims;
}

bool AsksClientHello(const Match& match) {
  return !match.alpn.empty() || !match.tls_versions.empty() ||
         std::any_of(match.domains.begin(), match.domains.end(), [](const std::string& domain) {
           return DomainKindOf(domain) != DomainKind::kAll;
         });
}

}  // namespace tlsbridge
