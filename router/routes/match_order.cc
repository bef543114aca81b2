#include "router/routes/match_order.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/match.h"

namespace tlsbridge {

DomainKind DomainKindOf(absl::string_view member) {
  if (member == "*") return DomainKind::kAll;
  return absl::StartsWith(member, "*.") ? DomainKind::kWildcard : DomainKind::kExact;
}

absl::string_view ParentDomain(absl::string_view name) {
  const size_t dot = name.find('.');
  if (dot == 0 || dot == absl::string_view::npos) return {};
  return name.substr(dot + 1);
}

MatchRank RankOf(const Route& route, size_t index) {
  MatchRank rank;
  rank.priority = route.priority;
  rank.has_ports = !route.match.ports.empty();
  rank.has_alpn = !route.match.alpn.empty();
  rank.has_tls_versions = !route.match.tls_versions.empty();
  for (const PortRange& range : MergedPorts(route.match.ports)) {
    rank.ports += range.last - range.first + 1;
  }
  rank.index = index;
  return rank;
}

bool WinsOver(const MatchRank& a, const MatchRank& b) {
  // What is more comes first; of ports and positions, what is less.
  const auto more = [](const MatchRank& r) {
    return std::tie(r.priority, r.domain, r.prefix_length, r.has_ports, r.has_alpn,
                    r.has_tls_versions);
  };
  if (more(a) != more(b)) return more(a) > more(b);
  return std::tie(a.ports, a.index) < std::tie(b.ports, b.index);
}

std::vector<PortRange> MergedPorts(absl::Span<const PortRange> ranges) {
  std::vector<PortRange> sorted;
  for (PortRange range : ranges) {
    range.first = std::max<uint16_t>(range.first, 1);
    if (range.first <= range.last) sorted.push_back(range);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const PortRange& a, const PortRange& b) { return a.first < b.first; });
  std::vector<PortRange> merged;
  for (const PortRange& range : sorted) {
    if (merged.empty() || range.first > merged.back().last + 1) {
      merged.push_back(range);
    } else {
      merged.back().last = std::max(merged.back().last, range.last);
    }
  }
  return merged;
}

int VersionKindOf(const std::optional<TlsVersion>& best) {
  if (!best.has_value()) return 0;
  return *best == TlsVersion::kTls12 ? 1 : 2;
}

VersionSet VersionsOf(absl::Span<const TlsVersion> list) {
  if (list.empty()) return (1 << kVersionKinds) - 1;
  VersionSet set = 0;
  for (const TlsVersion version : list) {
    set = static_cast<VersionSet>(set | 1 << VersionKindOf(version));
  }
  return set;
}

}  // namespace tlsbridge
