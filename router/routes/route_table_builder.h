// Builds a RouteTable: checks the routes, orders what can match, and writes down the winners.
//
// Thread: any. Owner: RouteTable::Create(), for the length of that call; the routes outlive it.
// Failure: Build() returns a Status that names the route and the list.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "router/routes/route_table.h"

namespace tlsbridge {

class RouteTableBuilder {
 public:
  explicit RouteTableBuilder(absl::Span<const Route> routes) : routes_(routes) {}

  absl::StatusOr<RouteTable> Build();

 private:
  using DomainKey = std::pair<DomainKind, std::string>;
  using Block = std::pair<IpBytes, int>;  // prefix and length; -1 for none
  using Nodes = absl::flat_hash_map<Block, uint32_t>;

  // A route's lists without repetitions, an empty list as the one member that stands for all.
  struct Lists {
    absl::flat_hash_set<DomainKey> domains;
    absl::flat_hash_set<Block> blocks;
    std::vector<uint32_t> port_prefixes;
    absl::flat_hash_set<int> protocols;

    uint64_t combinations() const {
      return uint64_t{domains.size()} * blocks.size() * port_prefixes.size() * protocols.size();
    }
  };

  absl::Status Expand();
  absl::StatusOr<Lists> ListsOf(const Route& route);
  void Order();
  void AddWinners(size_t index);
  void AddWinner(uint32_t node, uint32_t port_prefix, int protocol, VersionSet versions,
                 RouteTable::Place place);
  uint32_t NodeOf(Nodes* nodes, const Block& block);
  void FinishDomain(const Nodes& nodes, RouteTable::Domain* domain);
  void AddBoundary(const RouteTable::Domain& domain, const IpBytes& start, uint32_t node);

  const absl::Span<const Route> routes_;
  std::vector<Lists> lists_;
  absl::flat_hash_map<std::tuple<size_t, DomainKind, int>, RouteTable::Place> places_;
  absl::flat_hash_map<DomainKey, Nodes> domains_;
  RouteTable table_;
};

}  // namespace tlsbridge
