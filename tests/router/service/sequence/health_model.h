// What checks must have found out about each endpoint, whatever was reloaded meanwhile: the
// reference for health.
//
// Thread: the test's. Owner: the test. Failure: none.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "router/backends/backend_pool.h"
#include "router/config/config.h"
#include "tests/router/service/sequence/backends.h"

namespace tlsbridge::testing {

class HealthModel {
 public:
  // A check begins within 5 s, and again within 6 s; three of them decide, the last of which takes
  // up to 2 s; and the clock goes in steps of half a second.
  static constexpr absl::Duration kPatience = absl::Seconds(22);

  explicit HealthModel(const Backends* backends) : backends_(backends) {}

  // The endpoints of `route` are these now. What is wrong with them; empty for nothing.
  std::string Judge(const Route& route, const std::vector<EndpointStatus>& endpoints,
                    absl::Time now) {
    std::map<EndpointId, absl::Time> checked;
    std::map<EndpointId, absl::Time>& before = checked_[route.name];
    for (const EndpointStatus& endpoint : endpoints) {
      const auto known = before.find(endpoint.id);
      const absl::Time since = known == before.end() ? now : known->second;
      if (route.health.kind == HealthCheck::Kind::kNone) {
        if (!endpoint.healthy) return endpoint.name + " is unhealthy, and nobody checks it";
        continue;
      }
      checked[endpoint.id] = since;
      if (!endpoint.healthy && !backends_->WasEverDown(endpoint.name)) {
        return endpoint.name + " is unhealthy, and has always been up";
      }
      if (now - std::max(since, backends_->Since(endpoint.name)) < kPatience) continue;
      const bool up = backends_->IsUp(endpoint.name);
      if (up != endpoint.healthy) {
        return endpoint.name +
               (up ? " is well, and not known to be" : " is dead, and not found so");
      }
      if (up && endpoint.ejected_until > now) {
        return endpoint.name + " has passed its checks, and is still ejected";
      }
    }
    before.swap(checked);
    return "";
  }

  // Those of routes that are gone, or checked in another way from now on.
  void Forget(const std::string& route) { checked_.erase(route); }

 private:
  const Backends* const backends_;
  // By route and endpoint: since when.
  std::map<std::string, std::map<EndpointId, absl::Time>> checked_;
};

}  // namespace tlsbridge::testing
