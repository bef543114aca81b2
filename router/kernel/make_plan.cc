#include "router/kernel/make_plan.h"

#include <math.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "router/config/kernel_reach.h"
#include "router/routes/client_claims.h"

namespace tlsbridge::kernel {
namespace {

bool IsOurs(const tlsbridge::Route& route) {
  return route.forwarding_engine == ForwardingEngine::kNftables &&
         route.action == RouteAction::kForward;
}

uint32_t Count(int64_t limit) {
  return static_cast<uint32_t>(std::clamp<int64_t>(limit, 0, UINT32_MAX));
}

// Where each of the kernel's routes is in the plan.
using Positions = std::vector<std::optional<size_t>>;

std::vector<Claim> ClaimsOn(uint16_t port, const ClientClaims& all, const Positions& positions) {
  std::vector<Claim> claims;
  for (const ClientClaim& claim : all.On(port)) {
    claims.push_back({claim.clients, positions[claim.route]});
  }
  return claims;
}

bool IsGood(const EndpointStatus& endpoint, absl::Time now) {
  return endpoint.healthy && endpoint.ejected_until <= now;
}

bool IsUsable(const EndpointStatus& endpoint) { return endpoint.weight > 0 && !endpoint.drain; }

// The tier that new connections go to.
std::optional<int> ServingTier(absl::Span<const EndpointStatus> endpoints, double keep_fraction,
                               absl::Time now) {
  std::set<int> tiers;
  for (const EndpointStatus& endpoint : endpoints) tiers.insert(endpoint.tier);
  for (const int tier : tiers) {
    int usable = 0;
    int good = 0;
    for (const EndpointStatus& endpoint : endpoints) {
      if (endpoint.tier != tier || !IsUsable(endpoint)) continue;
      ++usable;
      if (IsGood(endpoint, now)) ++good;
    }
    if (good > 0 && good >= keep_fraction * usable) return tier;
  }
  return std::nullopt;
}

uint32_t WholeWeight(double weight) {
  constexpr double kScale = 1000;
  constexpr double kMost = 1e6;
  return static_cast<uint32_t>(std::clamp(round(weight * kScale), 1.0, kMost * kScale));
}

std::vector<Backend> BackendsOf(absl::Span<const EndpointStatus> endpoints, double keep_fraction,
                                absl::Time now) {
  const std::optional<int> tier = ServingTier(endpoints, keep_fraction, now);
  std::vector<Backend> backends;
  for (const EndpointStatus& endpoint : endpoints) {
    // A name may have an address of each family; each is for clients of its own.
    for (const SocketAddress& address : endpoint.addresses) {
      Backend backend;
      if (!WhyKernelCannotForwardTo(address).empty() ||
          !ToIpBytes(address, &backend.endpoint.address)) {
        continue;
      }
      backend.endpoint.port = address.port();
      backend.serving = endpoint.tier == tier && IsUsable(endpoint) && IsGood(endpoint, now);
      backend.weight = backend.serving ? WholeWeight(endpoint.weight) : 0;
      backends.push_back(backend);
    }
  }
  return backends;
}

}  // namespace

Route MakeRoute(const tlsbridge::Route& route, absl::Span<const EndpointStatus> endpoints,
                absl::Time now) {
  Route made;
  made.name = route.name;
  made.backends = BackendsOf(endpoints, route.ejection.keep_fraction, now);
  if (route.balance == tlsbridge::Balance::kSourceHash) made.balance = Balance::kSourceHash;
  made.masquerade = route.kernel.source == KernelSource::kMasquerade;
  made.limits = {Count(route.limits.connections), Count(route.limits.connections_per_ip),
                 Count(route.limits.new_per_ip_per_minute)};
  made.timeouts = {route.timeouts.connect, route.timeouts.inactivity, route.timeouts.half_close};
  made.deny = route.deny_ip;
  made.allow = route.allow_ip;
  return made;
}

Plan MakePlan(const Config& config, const EndpointsOf& endpoints, absl::Time now) {
  Plan plan;
  plan.table = config.kernel.table;
  Positions positions(config.routes.size());
  for (size_t i = 0; i < config.routes.size(); ++i) {
    if (!IsOurs(config.routes[i])) continue;
    positions[i] = plan.routes.size();
    plan.routes.push_back(MakeRoute(config.routes[i], endpoints(config.routes[i].name), now));
  }
  const ClientClaims claims(config.routes);
  for (const tlsbridge::Listener& listener : config.listeners) {
    Listener made;
    if (!WhyKernelCannotServe(listener).empty() ||
        !ToIpBytes(listener.address, &made.address.address)) {
      continue;
    }
    made.address.port = listener.address.port();
    made.claims = ClaimsOn(made.address.port, claims, positions);
    const bool any = std::any_of(made.claims.begin(), made.claims.end(),
                                 [](const Claim& claim) { return claim.route.has_value(); });
    if (any) plan.listeners.push_back(std::move(made));
  }
  return plan;
}

}  // namespace tlsbridge::kernel
