// What the kernel is to forward, in plain words: addresses that clients dial, whose each client is,
// and where each route's connections go. The rules that do so are made from it (build_ruleset.h).
//
// Thread: any; values. Owner: whoever made it. Failure: none; who fills it in has left out what the
// kernel cannot do.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "router/config/cidr.h"

namespace tlsbridge::kernel {

// IPv4 in its mapped form, as IpBytes has it.
struct Endpoint {
  IpBytes address = {};
  uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
  friend bool operator<(const Endpoint& a, const Endpoint& b) {
    return a.address != b.address ? a.address < b.address : a.port < b.port;
  }
};

struct Backend {
  Endpoint endpoint;
  uint32_t weight = 1;
  // Takes new connections. One that does not is known still, for the connections that it has.
  bool serving = true;

  bool operator==(const Backend&) const = default;
};

enum class Balance : uint8_t { kRoundRobin, kSourceHash };

// Zero: no limit. A client over one of them is left to the program, which says why.
struct Limits {
  uint32_t connections = 0;
  uint32_t connections_per_client = 0;  // IPv6 clients count by /64
  uint32_t new_per_client_per_minute = 0;

  bool operator==(const Limits&) const = default;
};

// Of the kernel's connection tracking.
struct Timeouts {
  absl::Duration connect = absl::Seconds(5);
  absl::Duration inactivity = absl::Hours(4);
  absl::Duration half_close = absl::Seconds(60);

  bool operator==(const Timeouts&) const = default;
};

struct Route {
  std::string name;
  std::vector<Backend> backends;  // those of the other family than the client's are not for it
  Balance balance = Balance::kRoundRobin;
  // Whether backends see this machine's address instead of the client's.
  bool masquerade = true;
  Limits limits;
  Timeouts timeouts;
  // These clients are left to the program, which refuses them. An empty allow list allows all.
  std::vector<Cidr> deny;
  std::vector<Cidr> allow;

  bool operator==(const Route&) const = default;
};

// Whose a client is: the first claim that has its address decides.
struct Claim {
  std::optional<Cidr> clients;  // none: all
  std::optional<size_t> route;  // a position in Plan::routes; none: the program's

  bool operator==(const Claim&) const = default;
};

struct Listener {
  Endpoint address;  // 0.0.0.0 and ::, each for its family alone, are any address of this machine
  std::vector<Claim> claims;

  bool operator==(const Listener&) const = default;
};

struct Plan {
  std::string table = "tlsbridge";
  std::vector<Route> routes;  // each with a name of its own
  std::vector<Listener> listeners;

  bool operator==(const Plan&) const = default;
};

}  // namespace tlsbridge::kernel
