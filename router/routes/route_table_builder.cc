#include "router/routes/route_table_builder.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tlsbridge {
namespace {

absl::Status Wrong(const Route& route, absl::string_view list, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("route '", route.name, "': match.", list, ": ", why));
}

bool IsDomain(absl::string_view name) {
  for (const absl::string_view label : absl::StrSplit(name, '.')) {
    if (label.empty()) return false;
    for (const char c : label) {
      if (c == '*' || absl::ascii_isupper(static_cast<unsigned char>(c))) return false;
    }
  }
  return true;
}

// The fewest prefixes of 16 bits, as (bits in front, length), that make up the range.
template <typename Emit>
void SplitIntoPrefixes(const PortRange& range, Emit emit) {
  uint32_t at = range.first;  // not 0, so that no prefix is that of all ports
  while (at <= range.last) {
    uint32_t size = at & (~at + 1);
    while (at + size - 1 > range.last) size /= 2;
    emit(at, 16 - std::countr_zero(size));
    at += size;
  }
}

// The address behind the block; none behind the last.
std::optional<IpBytes> Behind(const IpBytes& prefix, int length) {
  if (length == 0) return std::nullopt;
  IpBytes end = prefix;
  int carry = 1 << (7 - (length - 1) % 8);
  for (int i = (length - 1) / 8; i >= 0 && carry != 0; --i) {
    const int sum = end[static_cast<size_t>(i)] + carry;
    end[static_cast<size_t>(i)] = static_cast<uint8_t>(sum);
    carry = sum >> 8;
  }
  if (carry != 0) return std::nullopt;
  return end;
}

}  // namespace

absl::StatusOr<RouteTable> RouteTable::Create(absl::Span<const Route> routes) {
  return RouteTableBuilder(routes).Build();
}

absl::StatusOr<RouteTable> RouteTableBuilder::Build() {
  if (const absl::Status status = Expand(); !status.ok()) return status;
  Order();
  for (size_t i = 0; i < routes_.size(); ++i) AddWinners(i);
  for (const auto& [key, nodes] : domains_) {
    const auto& [kind, name] = key;
    FinishDomain(nodes, kind == DomainKind::kAll     ? &table_.all_
                        : kind == DomainKind::kExact ? &table_.exact_[name]
                                                     : &table_.wildcard_[name]);
  }
  return std::move(table_);
}

absl::Status RouteTableBuilder::Expand() {
  uint64_t combinations = 0;
  lists_.reserve(routes_.size());
  for (const Route& route : routes_) {
    absl::StatusOr<Lists> lists = ListsOf(route);
    if (!lists.ok()) return lists.status();
    combinations += lists->combinations();
    if (combinations > RouteTable::kMaxCombinations) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "route '", route.name, "': match: the members of its lists make ", lists->combinations(),
          " combinations; all routes together may have ", RouteTable::kMaxCombinations));
    }
    lists_.push_back(*std::move(lists));
  }
  return absl::OkStatus();
}

absl::StatusOr<RouteTableBuilder::Lists> RouteTableBuilder::ListsOf(const Route& route) {
  const Match& match = route.match;
  Lists lists;
  for (const std::string& member : match.domains) {
    const DomainKind kind = DomainKindOf(member);
    const absl::string_view name = kind == DomainKind::kAll        ? absl::string_view()
                                   : kind == DomainKind::kWildcard ? ParentDomain(member)
                                                                   : absl::string_view(member);
    if (kind != DomainKind::kAll && !IsDomain(name)) {
      return Wrong(route, "domains",
                   absl::StrCat("'", member, "' is not a.b, *.b or * in lower case"));
    }
    lists.domains.emplace(kind, std::string(name));
  }
  if (lists.domains.empty()) lists.domains.emplace(DomainKind::kAll, "");

  for (const Cidr& cidr : match.client_ip) lists.blocks.emplace(cidr.prefix(), cidr.length());
  if (lists.blocks.empty()) lists.blocks.emplace(IpBytes{}, -1);

  for (const PortRange& range : match.ports) {
    if (range.first == 0 || range.first > range.last) {
      return Wrong(
          route, "ports",
          absl::StrCat(range.first, "-", range.last, " is not a valid range (1 to 65535)"));
    }
  }
  for (const PortRange& range : MergedPorts(match.ports)) {
    SplitIntoPrefixes(range, [&lists](uint32_t port, int length) {
      lists.port_prefixes.push_back(RouteTable::PortPrefix(port, length));
    });
  }
  if (lists.port_prefixes.empty()) lists.port_prefixes.push_back(0);

  for (const std::string& protocol : match.alpn) {
    const auto number = static_cast<int>(table_.protocols_.size());
    lists.protocols.insert(table_.protocols_.try_emplace(protocol, number).first->second);
    if (table_.protocols_.size() > RouteTable::kMaxProtocols) {
      return Wrong(
          route, "alpn",
          absl::StrCat("all routes together may name ", RouteTable::kMaxProtocols, " protocols"));
    }
  }
  if (lists.protocols.empty()) lists.protocols.insert(-1);
  return lists;
}

void RouteTableBuilder::Order() {
  std::vector<MatchRank> ranks;
  for (size_t i = 0; i < routes_.size(); ++i) {
    MatchRank rank = RankOf(routes_[i], i);
    absl::flat_hash_set<DomainKind> kinds;
    absl::flat_hash_set<int> lengths;
    for (const auto& [kind, name] : lists_[i].domains) kinds.insert(kind);
    for (const auto& [prefix, length] : lists_[i].blocks) lengths.insert(length);
    for (const DomainKind kind : kinds) {
      for (const int length : lengths) {
        rank.domain = kind;
        rank.prefix_length = length;
        ranks.push_back(rank);
      }
    }
  }
  std::sort(ranks.begin(), ranks.end(), WinsOver);
  for (const MatchRank& rank : ranks) {
    places_[{rank.index, rank.domain, rank.prefix_length}] =
        static_cast<RouteTable::Place>(table_.routes_.size());
    table_.routes_.push_back(static_cast<uint32_t>(rank.index));
  }
}

void RouteTableBuilder::AddWinners(size_t index) {
  const Lists& lists = lists_[index];
  const VersionSet versions = VersionsOf(routes_[index].match.tls_versions);
  for (const DomainKey& domain : lists.domains) {
    Nodes& nodes = domains_[domain];
    for (const Block& block : lists.blocks) {
      const RouteTable::Place place = places_[{index, domain.first, block.second}];
      const uint32_t node = NodeOf(&nodes, block);
      table_.nodes_[node].bound = std::min(table_.nodes_[node].bound, place);
      for (const uint32_t port_prefix : lists.port_prefixes) {
        for (const int protocol : lists.protocols) {
          AddWinner(node, port_prefix, protocol, versions, place);
        }
      }
    }
  }
}

void RouteTableBuilder::AddWinner(uint32_t node, uint32_t port_prefix, int protocol,
                                  VersionSet versions, RouteTable::Place place) {
  RouteTable::Node& here = table_.nodes_[node];
  RouteTable::Winners* winners = &here.winners;
  if (port_prefix != 0) here.port_lengths |= uint32_t{1} << (std::bit_width(port_prefix) - 1);
  if (protocol >= 0) here.protocols |= uint64_t{1} << protocol;
  if (port_prefix != 0 || protocol >= 0) {
    const uint64_t key = RouteTable::Key(node, port_prefix, protocol);
    winners = &table_.winners_.try_emplace(key, RouteTable::kNoWinners).first->second;
  }
  for (size_t kind = 0; kind < kVersionKinds; ++kind) {
    if ((versions >> kind & 1) != 0) (*winners)[kind] = std::min((*winners)[kind], place);
  }
}

uint32_t RouteTableBuilder::NodeOf(Nodes* nodes, const Block& block) {
  const auto next = static_cast<uint32_t>(table_.nodes_.size());
  const auto [it, is_new] = nodes->try_emplace(block, next);
  if (is_new) table_.nodes_.emplace_back();
  return it->second;
}

// Blocks are either apart or one in the other, so that a stack has those around the one at hand.
void RouteTableBuilder::FinishDomain(const Nodes& nodes, RouteTable::Domain* domain) {
  std::vector<std::pair<Block, uint32_t>> sorted(nodes.begin(), nodes.end());
  std::sort(sorted.begin(), sorted.end());  // an outer block before those in it
  domain->first_boundary = static_cast<uint32_t>(table_.boundaries_.size());
  struct Open {
    uint32_t node;
    std::optional<IpBytes> end;
  };
  std::vector<Open> open;
  const auto innermost = [&open, domain] { return open.empty() ? domain->root : open.back().node; };
  const auto close = [&] {
    const std::optional<IpBytes> end = open.back().end;
    open.pop_back();
    if (end.has_value()) AddBoundary(*domain, *end, innermost());
  };
  for (const auto& [block, node] : sorted) {
    const auto& [prefix, length] = block;
    if (length < 0) {
      domain->root = node;  // comes first: all zeros, and shorter than any
      continue;
    }
    while (!open.empty() && open.back().end.has_value() && *open.back().end <= prefix) close();
    RouteTable::Node& here = table_.nodes_[node];
    here.parent = innermost();
    if (here.parent != RouteTable::kNoNode) {
      here.bound = std::min(here.bound, table_.nodes_[here.parent].bound);
    }
    AddBoundary(*domain, prefix, node);
    open.push_back({node, Behind(prefix, length)});
  }
  while (!open.empty()) close();
  domain->boundaries = static_cast<uint32_t>(table_.boundaries_.size()) - domain->first_boundary;
}

void RouteTableBuilder::AddBoundary(const RouteTable::Domain& domain, const IpBytes& start,
                                    uint32_t node) {
  // What ends or begins at one address is one boundary; the last word stands.
  std::vector<RouteTable::Boundary>& all = table_.boundaries_;
  if (all.size() > domain.first_boundary && all.back().start == start) {
    all.back().node = node;
  } else {
    all.push_back({start, node});
  }
}

}  // namespace tlsbridge
