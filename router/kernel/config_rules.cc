#include "router/kernel/config_rules.h"

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "router/kernel/build_ruleset.h"
#include "router/kernel/make_plan.h"
#include "router/kernel/ruleset_text.h"

namespace tlsbridge::kernel {
namespace {

using Endpoints = std::vector<EndpointStatus>;

Endpoints EndpointsOfRoute(const tlsbridge::Route& route, std::string* comments) {
  Endpoints endpoints;
  for (const tlsbridge::Backend& backend : route.backends) {
    if (backend.address.kind != BackendAddress::Kind::kSocket) {
      absl::StrAppend(comments, "# ", backend.address.ToString(), " of ", route.name,
                      " is looked up when the program runs\n");
      continue;
    }
    EndpointStatus& endpoint = endpoints.emplace_back();
    endpoint.addresses = {backend.address.socket};
    endpoint.weight = backend.weight;
    endpoint.drain = backend.drain;
  }
  return endpoints;
}

Ruleset RulesOf(const Config& config, std::string* comments) {
  absl::flat_hash_map<std::string, Endpoints> all;
  for (const tlsbridge::Route& route : config.routes) {
    if (route.forwarding_engine != ForwardingEngine::kNftables) continue;
    all[route.name] = EndpointsOfRoute(route, comments);
  }
  const Plan plan = MakePlan(
      config, [&all](const std::string& route) { return all[route]; }, absl::UnixEpoch());
  return BuildRuleset(plan);
}

}  // namespace

Ruleset ConfigRules(const Config& config) {
  std::string comments;
  return RulesOf(config, &comments);
}

std::string ConfigRulesText(const Config& config) {
  std::string comments;
  const Ruleset rules = RulesOf(config, &comments);
  return absl::StrCat(comments, RulesetText(rules));
}

}  // namespace tlsbridge::kernel
