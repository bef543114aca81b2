#include "router/kernel/route_chains.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "router/config/kernel_reach.h"
#include "router/kernel/build_ruleset.h"
#include "router/kernel/slots.h"

namespace tlsbridge::kernel {
namespace {

uint32_t Seconds(absl::Duration duration) {
  if (duration <= absl::ZeroDuration()) duration = kLongestKernelTimeout;  // zero is none
  duration = std::min(absl::Ceil(duration, absl::Seconds(1)), kLongestKernelTimeout);
  return static_cast<uint32_t>(absl::ToInt64Seconds(duration));
}

absl::string_view Digit(Family family) { return family == Family::kV4 ? "4" : "6"; }

// Rule by rule, each backend takes its share of what those before it have left: of weights 1, 1 and
// 1 every third, then every second, then all.
void AddRoundRobin(Family family, absl::Span<const Backend> backends, Chain* chain) {
  std::vector<Backend> serving;
  uint32_t divisor = 0;
  for (const Backend& backend : backends) {
    if (!backend.serving || backend.weight == 0) continue;
    serving.push_back(backend);
    divisor = std::gcd(divisor, backend.weight);
  }
  uint64_t left = 0;
  for (Backend& backend : serving) left += backend.weight /= divisor;
  for (size_t i = 0; i < serving.size(); ++i) {
    Rule rule = {IsOfFamily{family}};
    if (i + 1 < serving.size()) {
      rule.push_back(IsTurn{static_cast<uint32_t>(left), serving[i].weight});
    }
    rule.push_back(IsTcp{});
    rule.push_back(ForwardTo{serving[i].endpoint});
    chain->rules.push_back(std::move(rule));
    left -= serving[i].weight;
  }
}

void AddSourceHash(const Route& route, Family family, absl::Span<const Backend> backends,
                   Chain* chain, Ruleset* rules) {
  const std::string name = absl::StrCat("slots", Digit(family), "-", NameInTable(route.name));
  const Key key = {family, {Field::kSourceSlot}};
  rules->sets[name] = {Set::Kind::kEndpoints, key};
  Elements& elements = rules->elements[name];
  const std::vector<size_t> owners = ShareOutSlots(backends, kSlots);
  for (size_t slot = 0; slot < owners.size(); ++slot) {
    KeyBytes slot_key;
    AppendSlot(static_cast<uint32_t>(slot), &slot_key);
    elements[slot_key] = {.endpoint = backends[owners[slot]].endpoint};
  }
  chain->rules.push_back({IsOfFamily{family}, IsTcp{}, ForwardWhere{key, name}});
}

std::string AddBackends(const Route& route, Ruleset* rules) {
  Chain chain;
  for (const Family family : {Family::kV4, Family::kV6}) {
    const std::vector<Backend> backends = BackendsOf(route, family);
    if (route.balance == Balance::kSourceHash && backends.size() > 1) {
      AddSourceHash(route, family, backends, &chain, rules);
    } else {
      AddRoundRobin(family, backends, &chain);
    }
  }
  std::string name = absl::StrCat("backends-", NameInTable(route.name));
  rules->chains[name] = std::move(chain);
  return name;
}

}  // namespace

std::vector<Backend> BackendsOf(const Route& route, Family family) {
  std::vector<Backend> backends;
  std::copy_if(
      route.backends.begin(), route.backends.end(), std::back_inserter(backends),
      [&](const Backend& backend) { return FamilyOf(backend.endpoint.address) == family; });
  return backends;
}

bool NeedsLimitsChain(const Route& route, const Timeouts& common) {
  return route.limits != Limits() || route.timeouts != common;
}

std::string AddTimeouts(const Timeouts& timeouts, Family family, Ruleset* rules) {
  const TimeoutPolicy policy = {family, Seconds(timeouts.connect), Seconds(timeouts.inactivity),
                                Seconds(timeouts.half_close)};
  // A policy cannot be changed while connections have it: another one has another name.
  std::string name = absl::StrCat("times", Digit(family), "-", policy.connect, "-",
                                  policy.established, "-", policy.half_close);
  rules->timeouts[name] = policy;
  return name;
}

std::string AddRouteChains(const Route& route, const Timeouts& common, Ruleset* rules) {
  std::string backends = AddBackends(route, rules);
  if (!NeedsLimitsChain(route, common)) return backends;
  const std::string suffix = NameInTable(route.name);
  const Verdict leave = {Verdict::Kind::kReturn, ""};
  Chain chain;
  if (route.limits.connections > 0) {
    chain.rules.push_back({IsOverCount{route.limits.connections}, leave});
  }
  for (const Family family : {Family::kV4, Family::kV6}) {
    if (BackendsOf(route, family).empty()) continue;
    if (route.limits.connections_per_client > 0) {
      const std::string set = absl::StrCat("clients", Digit(family), "-", suffix);
      rules->sets[set] = {Set::Kind::kCountClients, {family, {Field::kSource}}};
      chain.rules.push_back(
          {IsClientOverCount{family, set, route.limits.connections_per_client}, leave});
    }
    if (route.limits.new_per_client_per_minute > 0) {
      const std::string set = absl::StrCat("rates", Digit(family), "-", suffix);
      rules->sets[set] = {Set::Kind::kRateClients, {family, {Field::kSource}}};
      chain.rules.push_back(
          {IsClientOverRate{family, set, route.limits.new_per_client_per_minute}, leave});
    }
    if (route.timeouts != common) {
      chain.rules.push_back(
          {IsOfFamily{family}, UseTimeouts{AddTimeouts(route.timeouts, family, rules)}});
    }
  }
  chain.rules.push_back({Verdict{Verdict::Kind::kGoto, std::move(backends)}});
  std::string name = absl::StrCat("limits-", suffix);
  rules->chains[name] = std::move(chain);
  return name;
}

}  // namespace tlsbridge::kernel
