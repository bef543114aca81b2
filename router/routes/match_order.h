// Which of several matching routes wins, and the small facts about a Match that this needs.
//
// Thread: any; values and pure functions. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "router/config/config.h"

namespace tlsbridge {

// What a member of Match::domains stands for. An empty list is kAll, like "*".
enum class DomainKind : uint8_t { kAll, kWildcard, kExact };

DomainKind DomainKindOf(absl::string_view member);

// Of a name, what is behind its first label; of a wildcard, what is behind "*.". Empty if there is
// nothing before or behind the dot.
absl::string_view ParentDomain(absl::string_view name);

// The rank of one route for one query: that of the domain and block in the route's lists by which
// the query matches.
struct MatchRank {
  int priority = 0;
  DomainKind domain = DomainKind::kAll;
  int prefix_length = -1;  // of the client's block, of 128 bits; -1 for an empty list
  bool has_ports = false;
  bool has_alpn = false;
  bool has_tls_versions = false;
  int ports = 0;  // how many
  size_t index = 0;
};

// Without a domain and a block.
MatchRank RankOf(const Route& route, size_t index);

// Total for ranks that differ in any member.
bool WinsOver(const MatchRank& a, const MatchRank& b);

// Sorted, neither overlapping nor adjacent. Port 0, which no listener has, is left out.
std::vector<PortRange> MergedPorts(absl::Span<const PortRange> ranges);

// Versions as a set of bits. A client that offers neither 1.2 nor 1.3, or of which nothing is
// known, is a third kind: it matches empty lists only.
using VersionSet = uint8_t;
constexpr int kVersionKinds = 3;
int VersionKindOf(const std::optional<TlsVersion>& best);
VersionSet VersionsOf(absl::Span<const TlsVersion> list);

}  // namespace tlsbridge
