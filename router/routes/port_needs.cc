#include "router/routes/port_needs.h"

#include <algorithm>
#include <string>

#include "router/routes/match_order.h"

namespace tlsbridge {
namespace {

bool MatchesPort(const Match& match, uint16_t port) {
  if (match.ports.empty()) return true;
  return port != 0 && std::any_of(match.ports.begin(), match.ports.end(), [port](PortRange r) {
           return r.first <= port && port <= r.last;
         });
}

bool MatchesAnyHello(const Match& match) {
  const bool any_domain =
      match.domains.empty() ||
      std::any_of(match.domains.begin(), match.domains.end(),
                  [](const std::string& d) { return DomainKindOf(d) == DomainKind::kAll; });
  return any_domain && match.alpn.empty() && match.tls_versions.empty();
}

// "*" in a list with others matches all, but with another rank than they.
bool LooksAtHello(const Match& match) {
  return !MatchesAnyHello(match) ||
         std::any_of(match.domains.begin(), match.domains.end(),
                     [](const std::string& d) { return DomainKindOf(d) != DomainKind::kAll; });
}

}  // namespace

PortNeeds NeedsOfPort(absl::Span<const Route> routes, uint16_t port) {
  PortNeeds needs;
  for (const Route& route : routes) {
    if (!MatchesPort(route.match, port)) continue;
    if (LooksAtHello(route.match)) needs.client_hello = true;
    if (MatchesAnyHello(route.match) && route.match.client_ip.empty()) needs.no_route = false;
    if (route.action == RouteAction::kBlock) {
      needs.block = true;
      continue;
    }
    switch (route.tls_mode) {
      case TlsMode::kTerminate:
        needs.terminate = true;
        break;
      case TlsMode::kPassthrough:
        needs.passthrough = true;
        break;
      case TlsMode::kTerminateAndReencrypt:
        needs.reencrypt = true;
        break;
    }
  }
  return needs;
}

}  // namespace tlsbridge
