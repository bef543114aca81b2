#include "router/kernel/plan_change.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "router/kernel/build_ruleset.h"

namespace tlsbridge::kernel {
namespace {

// Whether two routes are equal but for what their backends do.
bool IsAlike(const Route& a, const Route& b) {
  if (a.name != b.name || a.balance != b.balance || a.masquerade != b.masquerade ||
      a.limits != b.limits || a.timeouts != b.timeouts || a.deny != b.deny || a.allow != b.allow) {
    return false;
  }
  return std::equal(a.backends.begin(), a.backends.end(), b.backends.begin(), b.backends.end(),
                    [](const Backend& x, const Backend& y) { return x.endpoint == y.endpoint; });
}

// The listeners that a changed route has a claim on, and the routes that have claims there.
Plan PartOf(const Plan& plan, const std::vector<bool>& changed) {
  Plan part;
  part.table = plan.table;
  std::vector<std::optional<size_t>> positions(plan.routes.size());
  for (const Listener& listener : plan.listeners) {
    const bool concerns =
        std::any_of(listener.claims.begin(), listener.claims.end(),
                    [&](const Claim& claim) { return claim.route && changed[*claim.route]; });
    if (!concerns) continue;
    Listener copy = listener;
    for (Claim& claim : copy.claims) {
      if (!claim.route) continue;
      std::optional<size_t>& position = positions[*claim.route];
      if (!position) {
        position = part.routes.size();
        part.routes.push_back(plan.routes[*claim.route]);
      }
      claim.route = position;
    }
    part.listeners.push_back(std::move(copy));
  }
  return part;
}

}  // namespace

std::optional<RulesetChange> FindChange(const Plan& from, const Plan& to) {
  if (from.table != to.table || from.listeners != to.listeners ||
      from.routes.size() != to.routes.size()) {
    return std::nullopt;
  }
  std::vector<bool> changed(from.routes.size());
  for (size_t i = 0; i < from.routes.size(); ++i) {
    if (!IsAlike(from.routes[i], to.routes[i])) return std::nullopt;
    changed[i] = from.routes[i].backends != to.routes[i].backends;
  }
  const Timeouts common = MostCommonTimeouts(to.routes);
  return RulesetChange{BuildRuleset(PartOf(from, changed), common),
                       BuildRuleset(PartOf(to, changed), common)};
}

void ApplyChange(const RulesetChange& change, Ruleset* rules) {
  for (const auto& [name, elements] : change.from.elements) {
    const auto after = change.to.elements.find(name);
    Elements& whole = rules->elements[name];
    for (const auto& [key, element] : elements) {
      if (after == change.to.elements.end() || !after->second.contains(key)) whole.erase(key);
    }
  }
  for (const auto& [name, elements] : change.to.elements) {
    for (const auto& [key, element] : elements) rules->elements[name][key] = element;
  }
  for (const auto& [name, chain] : change.to.chains) {
    const auto before = change.from.chains.find(name);
    if (before == change.from.chains.end() || before->second != chain) rules->chains[name] = chain;
  }
}

}  // namespace tlsbridge::kernel
