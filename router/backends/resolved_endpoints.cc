#include "router/backends/resolved_endpoints.h"

#include <algorithm>
#include <map>
#include <string>

namespace tlsbridge {
namespace {

// Sorted, each once.
std::vector<SocketAddress> OfFamily(absl::Span<const SocketAddress> addresses, int family) {
  std::map<std::string, SocketAddress> sorted;
  for (const SocketAddress& address : addresses) {
    if (address.family() == family) sorted.emplace(address.ToString(), address);
  }
  std::vector<SocketAddress> result;
  result.reserve(sorted.size());
  for (const auto& [text, address] : sorted) result.push_back(address);
  return result;
}

// "A very small chance of being selected" is what RFC 2782 wants for zero beside larger ones; if
// all are zero they are equal.
double Share(const SrvRecord& record) {
  constexpr double kOfZero = 0.01;
  return record.weight == 0 ? kOfZero : record.weight;
}

}  // namespace

std::vector<ResolvedEndpoint> EndpointsAt(absl::Span<const SocketAddress> addresses) {
  if (addresses.empty()) return {};
  const int preferred = addresses[0].family();
  std::vector<SocketAddress> main = OfFamily(addresses, preferred);
  std::vector<SocketAddress> other = OfFamily(addresses, preferred == AF_INET ? AF_INET6 : AF_INET);
  if (other.size() > main.size()) main.swap(other);
  std::vector<ResolvedEndpoint> endpoints;
  for (size_t i = 0; i < main.size(); ++i) {
    endpoints.push_back({{main[i]}});
    if (!other.empty()) endpoints.back().addresses.push_back(other[i % other.size()]);
  }
  return endpoints;
}

std::vector<ResolvedEndpoint> EndpointsAt(absl::Span<const SrvRecord> records,
                                          absl::Span<const std::vector<SocketAddress>> addresses) {
  struct Tier {
    double total = 0;
    int records = 0;
    int number = 0;
  };
  std::map<uint16_t, Tier> tiers;
  for (size_t i = 0; i < records.size(); ++i) {
    if (addresses[i].empty()) continue;
    Tier& tier = tiers[records[i].priority];
    tier.total += Share(records[i]);
    ++tier.records;
  }
  int number = 0;
  for (auto& [priority, tier] : tiers) tier.number = number++;

  std::vector<ResolvedEndpoint> result;
  for (size_t i = 0; i < records.size(); ++i) {
    std::vector<ResolvedEndpoint> endpoints = EndpointsAt(addresses[i]);
    const Tier& tier = tiers[records[i].priority];
    for (ResolvedEndpoint& endpoint : endpoints) {
      endpoint.tier = tier.number;
      endpoint.share = Share(records[i]) * tier.records / tier.total / endpoints.size();
      result.push_back(std::move(endpoint));
    }
  }
  std::stable_sort(
      result.begin(), result.end(), [](const ResolvedEndpoint& a, const ResolvedEndpoint& b) {
        return a.tier < b.tier ||
               (a.tier == b.tier && a.addresses[0].ToString() < b.addresses[0].ToString());
      });
  return result;
}

}  // namespace tlsbridge
