// Whose the clients of a port are when nothing but their address is known: each route at the rank
// that it has for the ClientHello which suits it best.
//
// Thread: any; immutable. Owner: whoever made it; the routes outlive it. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "router/config/cidr.h"
#include "router/config/config.h"

namespace tlsbridge {

struct ClientClaim {
  std::optional<Cidr> clients;  // none: all
  size_t route = 0;             // a position in what was given

  bool operator==(const ClientClaim&) const = default;
};

class ClientClaims {
 public:
  explicit ClientClaims(absl::Span<const Route> routes);

  // The first that has a client's address decides, if its route does not ask for more.
  std::vector<ClientClaim> On(uint16_t port) const;

 private:
  const absl::Span<const Route> routes_;
  // Of ports, so that the cost of all of them is not quadratic.
  absl::flat_hash_map<uint16_t, std::vector<size_t>> of_one_port_;
  std::vector<size_t> of_several_;
};

// Whether it depends on what a client says if this matches.
bool AsksClientHello(const Match& match);

}  // namespace tlsbridge
