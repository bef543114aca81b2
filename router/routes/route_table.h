// Finds the route of a connection: one that matches, and of those the one that wins.
//
// A route matches if each list of its Match is empty or has a member that matches:
// - ports: the listener's port. A UNIX listener has port 0, which is in no range, so that only
//   routes without ports are asked there.
// - domains: "a.b" is that name; "*.b" is any name of exactly one label before ".b"; "*" is every
//   client, with or without SNI, as if the list were empty. Other members never match a client
//   without SNI.
// - client_ip: the client's address is in the block. A client without one (on a UNIX listener)
//   matches empty lists only.
// - alpn: the client offers that protocol, byte for byte.
// - tls_versions: it is the best that the client offers.
//
// Of the routes that match wins, each rule only where those before it leave a tie:
//   1. the higher `priority`
//   2. by the member of `domains` that matches: an exact name before a wildcard before "*" or an
//      empty list
//   3. by the member of `client_ip` that matches: the longest prefix first, an empty list last
//   4. a list of ports before none
//   5. a list of alpn before none
//   6. a list of tls_versions before none
//   7. fewer ports in all
//   8. the earlier route
//
// Find() allocates nothing and scans no list of routes. It looks up, in each of the three groups of
// routes that the name selects (exact, wildcard, all), the innermost block around the client's
// address and those around that, which differ in length and so are few. For each, all (port prefix,
// protocol) pairs that occur there and match are looked up in one hash table of winners.
//
// Thread: any; immutable. Owner: whoever made it; keeps nothing of the routes. Failure: Create()
// returns a Status that names the route and the list.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "router/config/config.h"
#include "router/routes/match_order.h"
#include "tls/hello/alpn.h"

namespace tlsbridge {

class RouteTable {
 public:
  // What is known of a connection. Views need to live during the call only.
  struct Query {
    uint16_t port = 0;  // of the listener; 0 for a UNIX path
    std::optional<IpBytes> client;
    absl::string_view server_name;           // lower case, no dot at the end; empty without SNI
    tls::AlpnNames alpn;                     // what the client offers
    std::optional<TlsVersion> best_version;  // none if the client offers older ones only
  };

  // The members of all lists of a route are multiplied with each other; this many products are
  // allowed in all (about 100 MB). Of protocols, there may be 64 different ones in all.
  static constexpr uint64_t kMaxCombinations = uint64_t{1} << 22;
  static constexpr size_t kMaxProtocols = 64;

  static absl::StatusOr<RouteTable> Create(absl::Span<const Route> routes);

  // The position of the route in what Create() was given.
  std::optional<size_t> Find(const Query& query) const;

 private:
  friend class RouteTableBuilder;

  // A position in the order of all (route, kind of domain, prefix length) that occur; smaller wins.
  using Place = uint32_t;
  static constexpr Place kNoPlace = UINT32_MAX;
  using Winners = std::array<Place, kVersionKinds>;
  static constexpr Winners kNoWinners = {kNoPlace, kNoPlace, kNoPlace};
  static constexpr uint32_t kNoNode = UINT32_MAX;

  // The routes of one domain and one block of clients.
  struct Node {
    uint32_t parent = kNoNode;  // the next larger block of the domain; last the one without block
    Place bound = kNoPlace;     // nothing here or in a parent is better
    Winners winners = kNoWinners;  // of routes that name neither ports nor protocols
    uint32_t port_lengths = 0;     // bit N: prefixes of N bits occur
    uint64_t protocols = 0;        // those that occur, by number
  };
  // From this address up to the next boundary, `node` has the innermost block.
  struct Boundary {
    IpBytes start;
    uint32_t node;
  };
  struct Domain {
    uint32_t root = kNoNode;  // of routes without client_ip
    uint32_t first_boundary = 0;
    uint32_t boundaries = 0;
  };

  RouteTable() = default;

  // Of a port, the leading `length` bits, and which length it is.
  static uint32_t PortPrefix(uint32_t port, int length) {
    return uint32_t{1} << length | port >> (16 - length);
  }
  // Prefix 0 is any port, protocol -1 any protocol.
  static uint64_t Key(uint32_t node, uint32_t port_prefix, int protocol) {
    return uint64_t{node} << 24 | uint64_t{port_prefix} << 7 | static_cast<uint64_t>(protocol + 1);
  }

  uint64_t ProtocolsOf(const tls::AlpnNames& offered) const;
  uint32_t InnermostNode(const Domain& domain, const std::optional<IpBytes>& client) const;
  Place BestIn(uint32_t node, uint16_t port, uint64_t protocols, int version) const;

  Domain all_;
  absl::flat_hash_map<std::string, Domain> exact_;
  absl::flat_hash_map<std::string, Domain> wildcard_;  // by what is behind "*."
  absl::flat_hash_map<std::string, int> protocols_;
  std::vector<Boundary> boundaries_;
  std::vector<Node> nodes_;
  absl::flat_hash_map<uint64_t, Winners> winners_;
  std::vector<uint32_t> routes_;  // by Place
};

}  // namespace tlsbridge
