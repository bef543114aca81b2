#include "router/kernel/route_chains.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/config/kernel_reach.h"
#include "router/kernel/build_ruleset.h"
#include "router/kernel/client_intervals.h"
#include "router/kernel/slots.h"

namespace tlsbridge::kernel {
namespace {

uint32_t Seconds(absl::Duration duration) {
  if (duration <= absl::ZeroDuration()) duration = kLongestKernelTimeout;  // zero is none
  duration = std::min(absl::Ceil(duration, absl::Seconds(1)), kLongestKernelTimeout);
  return static_cast<uint32_t>(absl::ToInt64Seconds(duration));
}

absl::string_view Digit(Family family) { return family == Family::kV4 ? "4" : "6"; }

bool Serves(const Backend& backend) { return backend.serving && backend.weight > 0; }

bool HasBothFamilies(const Route& route) {
  const auto is_v4 = [](const Backend& backend) { return IsV4(backend.endpoint.address); };
  return std::any_of(route.backends.begin(), route.backends.end(), is_v4) &&
         !std::all_of(route.backends.begin(), route.backends.end(), is_v4);
}

// Rule by rule, each backend takes its share of what those before it have left: of weights 1, 1 and
// 1 every third, then every second, then all.
class RoundRobin {
 public:
  RoundRobin(const Route& route, Family family)
      : family_(family), asks_family_(HasBothFamilies(route)) {
    uint32_t divisor = 0;
    for (const Backend& backend : BackendsOf(route, family)) {
      if (!Serves(backend)) continue;
      serving_.push_back(backend);
      divisor = std::gcd(divisor, backend.weight);
    }
    for (Backend& backend : serving_) left_ += backend.weight /= divisor;
  }

  void AddTurns(Chain* chain) {
    for (size_t i = 0; i + 1 < serving_.size(); ++i) {
      Add(IsTurn{static_cast<uint32_t>(left_), serving_[i].weight}, serving_[i], chain);
      left_ -= serving_[i].weight;
    }
  }
  void AddLast(Chain* chain) {
    if (!serving_.empty()) Add(std::nullopt, serving_.back(), chain);
  }

 private:
  void Add(std::optional<IsTurn> turn, const Backend& backend, Chain* chain) {
    Rule rule;
    rule.reserve(4);
    // A packet of the other family must not use up a turn.
    if (asks_family_) rule.push_back(IsOfFamily{family_});
    if (turn) rule.push_back(*turn);
    rule.push_back(IsTcp{});
    rule.push_back(ForwardTo{backend.endpoint});
    chain->rules.push_back(std::move(rule));
  }

  const Family family_;
  const bool asks_family_;
  std::vector<Backend> serving_;
  uint64_t left_ = 0;
};

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
    if (HasSlots(route, family)) {
      AddSourceHash(route, family, BackendsOf(route, family), &chain, rules);
    } else {
      RoundRobin backends(route, family);
      backends.AddTurns(&chain);
      backends.AddLast(&chain);
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

const Backend* LastServing(absl::Span<const Backend> backends) {
  const auto last = std::find_if(backends.rbegin(), backends.rend(), &Serves);
  return last == backends.rend() ? nullptr : &*last;
}

bool HasSlots(const Route& route, Family family) {
  return route.balance == Balance::kSourceHash && BackendsOf(route, family).size() > 1;
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

std::string AddTurnsChain(const Route& route, Ruleset* rules) {
  Chain chain;
  for (const Family family : {Family::kV4, Family::kV6}) {
    if (!HasSlots(route, family)) RoundRobin(route, family).AddTurns(&chain);
  }
  std::string name = absl::StrCat("turns-", NameInTable(route.name));
  rules->chains[name] = std::move(chain);
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
