#include "router/routes/unreachable.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "router/routes/block_map.h"
#include "router/routes/match_order.h"

namespace tlsbridge {
namespace {

using Block = std::pair<IpBytes, int>;  // prefix and length

// A route's lists as sets. Those without members cover all.
struct Sets {
  Sets(const Route& route, size_t index)
      : rank(RankOf(route, index)),
        ports(MergedPorts(route.match.ports)),
        alpn(route.match.alpn.begin(), route.match.alpn.end()),
        versions(VersionsOf(route.match.tls_versions)) {
    for (const std::string& member : route.match.domains) domains.insert(member);
    if (domains.empty()) domains.insert("*");
    for (const Cidr& cidr : route.match.client_ip) {
      blocks.emplace(cidr.prefix(), cidr.length());
      lengths.insert(cidr.length());
    }
  }

  MatchRank rank;  // without domain and block
  absl::flat_hash_set<std::string> domains;
  absl::flat_hash_set<Block> blocks;
  std::set<int> lengths;
  std::vector<PortRange> ports;
  absl::flat_hash_set<std::string> alpn;
  VersionSet versions;
};

// The members that cover this one, itself first. A wildcard is in no other: they are of one label.
std::vector<std::string> CoversOfDomain(const std::string& member) {
  std::vector<std::string> covers = {member};
  if (DomainKindOf(member) == DomainKind::kExact) {
    const absl::string_view parent = ParentDomain(member);
    if (!parent.empty()) covers.push_back(absl::StrCat("*.", parent));
  }
  if (member != "*") covers.emplace_back("*");
  return covers;
}

bool CoversDomain(const Sets& a, const std::string& member) {
  const std::vector<std::string> covers = CoversOfDomain(member);
  return std::any_of(covers.begin(), covers.end(),
                     [&a](const std::string& c) { return a.domains.contains(c); });
}

bool CoversBlock(const Sets& a, const Block& block) {
  for (const int length : a.lengths) {
    if (length > block.second) return false;
    if (a.blocks.contains(Block(Masked(block.first, length), length))) return true;
  }
  return false;
}

bool CoversPorts(const Sets& a, const PortRange& range) {
  const auto behind =
      std::upper_bound(a.ports.begin(), a.ports.end(), range.first,
                       [](uint16_t port, const PortRange& r) { return port < r.first; });
  return behind != a.ports.begin() && std::prev(behind)->last >= range.last;
}

template <typename List, typename Covers>
bool CoversList(const List& a, const List& b, Covers covers) {
  if (a.empty()) return true;
  return !b.empty() && std::all_of(b.begin(), b.end(), covers);
}

// Whether no domain or block of `b` is more specific than that of `a` which covers it.
bool AsSpecific(const Sets& a, const Sets& b) {
  // What covers a member and is not less specific is that member.
  const auto has = [](const auto& set) {
    return [&set](const auto& member) { return set.contains(member); };
  };
  return std::all_of(b.domains.begin(), b.domains.end(), has(a.domains)) &&
         a.blocks.empty() == b.blocks.empty() &&
         std::all_of(b.blocks.begin(), b.blocks.end(), has(a.blocks));
}

// Asked in the order of what is cheap and likely to say no. The first covers priority, the rules
// that lists as a whole decide, and the order.
bool MakesUnreachable(const Sets& a, const Sets& b) {
  return WinsOver(a.rank, b.rank) && (a.versions & b.versions) == b.versions &&
         CoversList(a.ports, b.ports, [&a](const PortRange& p) { return CoversPorts(a, p); }) &&
         CoversList(a.alpn, b.alpn, [&a](const std::string& p) { return a.alpn.contains(p); }) &&
         CoversList(a.blocks, b.blocks, [&a](const Block& p) { return CoversBlock(a, p); }) &&
         std::all_of(b.domains.begin(), b.domains.end(),
                     [&a](const std::string& d) { return CoversDomain(a, d); }) &&
         (a.rank.priority > b.rank.priority || AsSpecific(a, b));
}

// Lists of the routes that have some member, so that only those which cover one member of a route
// are asked about it, by the list that leaves the fewest.
class Index {
 public:
  using Positions = std::vector<size_t>;
  using Found = std::vector<const Positions*>;

  void Add(const Sets& sets) {
    const size_t index = sets.rank.index;
    for (const std::string& domain : sets.domains) domains_[domain].push_back(index);
    for (const Block& block : sets.blocks) blocks_[block].push_back(index);
    for (const int length : sets.lengths) lengths_.insert(length);
    if (sets.blocks.empty()) any_block_.push_back(index);
    for (const PortRange& range : sets.ports) {
      if (range.first == range.last) {
        port_[range.first].push_back(index);
      } else {
        ranges_.push_back(index);
      }
    }
    if (sets.ports.empty()) any_port_.push_back(index);
  }

  Found Candidates(const Sets& sets) const {
    std::array<Found, 3> found = {ByDomain(sets), ByBlock(sets), ByPort(sets)};
    const auto size = [](const Found& lists) {
      size_t sum = 0;
      for (const Positions* list : lists) sum += list->size();
      return sum;
    };
    return *std::min_element(found.begin(), found.end(),
                             [&size](const Found& a, const Found& b) { return size(a) < size(b); });
  }

 private:
  template <typename Map, typename Key>
  static void Look(const Map& map, const Key& key, Found* found) {
    if (const auto it = map.find(key); it != map.end()) found->push_back(&it->second);
  }

  Found ByDomain(const Sets& sets) const {
    Found found;
    for (const std::string& c : CoversOfDomain(*sets.domains.begin())) Look(domains_, c, &found);
    return found;
  }

  Found ByBlock(const Sets& sets) const {
    Found found = {&any_block_};
    if (sets.blocks.empty()) return found;
    const auto& [prefix, length] = *sets.blocks.begin();
    for (const int l : lengths_) {
      if (l > length) break;
      Look(blocks_, Block(Masked(prefix, l), l), &found);
    }
    return found;
  }

  Found ByPort(const Sets& sets) const {
    Found found = {&any_port_};
    if (sets.ports.empty()) return found;
    found.push_back(&ranges_);
    const PortRange& range = sets.ports.front();
    if (range.first == range.last) Look(port_, range.first, &found);
    return found;
  }

  absl::flat_hash_map<std::string, Positions> domains_;
  absl::flat_hash_map<Block, Positions> blocks_;
  std::set<int> lengths_;
  Positions any_block_;
  absl::flat_hash_map<uint16_t, Positions> port_;
  Positions ranges_;
  Positions any_port_;
};

}  // namespace

std::vector<UnreachableRoute> FindUnreachable(absl::Span<const Route> routes) {
  std::vector<Sets> sets;
  sets.reserve(routes.size());
  Index index;
  for (size_t i = 0; i < routes.size(); ++i) {
    sets.emplace_back(routes[i], i);
    index.Add(sets.back());
  }
  std::vector<UnreachableRoute> unreachable;
  for (const Sets& route : sets) {
    const Sets* winner = nullptr;
    for (const Index::Positions* list : index.Candidates(route)) {
      for (const size_t i : *list) {
        if (winner != nullptr && !WinsOver(sets[i].rank, winner->rank)) continue;
        if (MakesUnreachable(sets[i], route)) winner = &sets[i];
      }
    }
    if (winner != nullptr) unreachable.push_back({route.rank.index, winner->rank.index});
  }
  return unreachable;
}

}  // namespace tlsbridge
