#include "router/kernel/plan_change.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

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

}  // namespace

PlanIndex::PlanIndex(const Plan& plan)
    : listeners_(plan.routes.size()), common_timeouts_(MostCommonTimeouts(plan.routes)) {
  for (size_t i = 0; i < plan.routes.size(); ++i) positions_[plan.routes[i].name] = i;
  for (size_t i = 0; i < plan.listeners.size(); ++i) {
    for (const Claim& claim : plan.listeners[i].claims) {
      if (claim.route) listeners_[*claim.route].push_back(i);
    }
  }
}

std::optional<size_t> PlanIndex::Find(const std::string& route) const {
  const auto found = positions_.find(route);
  return found == positions_.end() ? std::nullopt : std::optional<size_t>(found->second);
}

std::optional<RulesetChange> FindChange(const Plan& plan, const PlanIndex& index,
                                        absl::Span<const Route> now) {
  std::map<size_t, const Route*> changed;
  std::set<size_t> listeners;
  for (const Route& route : now) {
    const std::optional<size_t> position = index.Find(route.name);
    if (!position || !IsAlike(plan.routes[*position], route)) return std::nullopt;
    if (plan.routes[*position].backends == route.backends) continue;
    changed[*position] = &route;
    const absl::Span<const size_t> its = index.ListenersOf(*position);
    listeners.insert(its.begin(), its.end());
  }
  Plan from = {.table = plan.table};
  Plan to = from;
  std::map<size_t, size_t> positions;  // in the part, of those in the whole
  for (const size_t i : listeners) {
    Listener listener = plan.listeners[i];
    for (Claim& claim : listener.claims) {
      if (!claim.route) continue;
      const auto [position, is_new] = positions.try_emplace(*claim.route, from.routes.size());
      if (is_new) {
        const auto after = changed.find(*claim.route);
        from.routes.push_back(plan.routes[*claim.route]);
        to.routes.push_back(after == changed.end() ? from.routes.back() : *after->second);
      }
      claim.route = position->second;
    }
    from.listeners.push_back(listener);
    to.listeners.push_back(std::move(listener));
  }
  return RulesetChange{BuildRuleset(from, index.common_timeouts()),
                       BuildRuleset(to, index.common_timeouts())};
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
