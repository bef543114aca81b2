#include "router/kernel/build_ruleset.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "router/kernel/client_intervals.h"
#include "router/kernel/route_chains.h"

namespace tlsbridge::kernel {
namespace {

constexpr char kRouteChain[] = "route";
constexpr char kNewcomers[] = "newcomers";

bool IsWildcard(const Endpoint& listener) {
  const size_t start = IsV4(listener.address) ? 12 : 0;
  return std::all_of(listener.address.begin() + static_cast<ptrdiff_t>(start),
                     listener.address.end(), [](uint8_t byte) { return byte == 0; });
}

class Builder {
 public:
  Builder(const Plan& plan, const Timeouts& common) : plan_(plan), common_(common) {
    rules_.table = plan.table;
  }

  Ruleset Build() {
    for (const Listener& listener : plan_.listeners) AddListener(listener);
    AddPeers();
    AddFrame();
    return std::move(rules_);
  }

 private:
  // The keys of one kind of listener, and the names of their sets.
  struct Names {
    Family family;
    bool any;
    std::string Of(absl::string_view what) const {
      return absl::StrCat(any ? "any-" : "", what, family == Family::kV4 ? "4" : "6");
    }
    // What is asked for an address is left out of the key of a listener on any address.
    Key Asked(std::vector<Field> fields) const {
      if (any) {
        std::erase(fields, Field::kDestination);
        std::erase(fields, Field::kDialledAddress);
      }
      return {family, std::move(fields)};
    }
  };

  static const std::vector<Field>& ByClient() {
    static const std::vector<Field>* const fields =
        new std::vector<Field>{Field::kDestination, Field::kDestinationPort, Field::kSource};
    return *fields;
  }
  static const std::vector<Field>& ByTarget() {
    static const std::vector<Field>* const fields =
        new std::vector<Field>{Field::kDestination, Field::kDestinationPort};
    return *fields;
  }
  static const std::vector<Field>& ByDialled() {
    static const std::vector<Field>* const fields =
        new std::vector<Field>{Field::kDialledAddress, Field::kDialledPort};
    return *fields;
  }
  static const std::vector<Field>& ByDialledClient() {
    static const std::vector<Field>* const fields =
        new std::vector<Field>{Field::kDialledAddress, Field::kDialledPort, Field::kDialledSource};
    return *fields;
  }

  // A set or map, made when it is first needed; its elements.
  Elements* Need(const std::string& name, Set::Kind kind, const Names& names,
                 const std::vector<Field>& fields, bool is_interval = false) {
    const auto [elements, is_new] = rules_.elements.try_emplace(name);
    if (is_new) rules_.sets[name] = Set{kind, names.Asked(fields), is_interval};
    return &elements->second;
  }
  // Listeners are mostly in the order of their addresses.
  static void Put(KeyBytes key, Element element, Elements* elements) {
    elements->insert_or_assign(elements->end(), std::move(key), std::move(element));
  }

  void AddListener(const Listener& listener) {
    const Family family = FamilyOf(listener.address.address);
    const Names names = {family, IsWildcard(listener.address)};
    std::vector<ClientInterval> intervals =
        CutClients(listener.claims, plan_.routes, family == Family::kV4);
    // A route that has no backend of this family leaves all to the program.
    std::erase_if(intervals, [&](const ClientInterval& interval) {
      return BackendsOf(plan_.routes[interval.route], family).empty();
    });
    if (intervals.empty()) return;

    KeyBytes target;
    if (!names.any) AppendAddress(listener.address.address, &target);
    AppendPort(listener.address.port, &target);
    Put(target, {}, Need(names.Of("ours"), Set::Kind::kSet, names, ByTarget()));

    if (intervals.size() == 1 && IsEverybody(intervals[0])) {
      AddForAll(names, target, plan_.routes[intervals[0].route]);
      return;
    }
    Elements* elements = Need(names.Of("client"), Set::Kind::kVerdicts, names, ByClient(), true);
    for (const ClientInterval& interval : intervals) {
      const Route& route = plan_.routes[interval.route];
      KeyBytes first = target;
      KeyBytes last = target;
      AppendAddress(interval.first, &first);
      AppendAddress(interval.last, &last);
      (*elements)[first] = {.last = last, .verdict = {Verdict::Kind::kGoto, ChainOf(route)}};
      if (!route.masquerade) continue;
      Put(first, {.last = last},
          Need(names.Of("masq-client"), Set::Kind::kSet, names, ByDialledClient(), true));
    }
  }

  void AddForAll(const Names& names, const KeyBytes& target, const Route& route) {
    if (route.masquerade) {
      Put(target, {}, Need(names.Of("masq"), Set::Kind::kSet, names, ByDialled()));
    }
    const std::vector<Backend> backends = BackendsOf(route, names.family);
    const auto go = [&](Verdict::Kind kind, std::string chain) {
      Put(target, {.verdict = {kind, std::move(chain)}},
          Need(names.Of("go"), Set::Kind::kVerdicts, names, ByTarget()));
    };
    if (NeedsLimitsChain(route, common_) || HasSlots(route, names.family)) {
      return go(Verdict::Kind::kGoto, ChainOf(route));
    }
    if (backends.size() > 1) go(Verdict::Kind::kJump, TurnsOf(route));
    Elements* const elements = Need(names.Of("one"), Set::Kind::kEndpoints, names, ByTarget());
    if (const Backend* const last = LastServing(backends)) {
      Put(target, {.endpoint = last->endpoint}, elements);
    }
  }

  // The first of the route's chains; they are made when they are first asked for.
  std::string ChainOf(const Route& route) {
    const auto [known, is_new] = chains_.try_emplace(route.name);
    if (is_new) known->second = AddRouteChains(route, common_, &rules_);
    return known->second;
  }

  std::string TurnsOf(const Route& route) {
    const auto [known, is_new] = turns_.try_emplace(route.name);
    if (is_new) known->second = AddTurnsChain(route, &rules_);
    return known->second;
  }

  // Backends of all routes, serving or not: those that do not have connections still.
  void AddPeers() {
    for (const Route& route : plan_.routes) {
      for (const Backend& backend : route.backends) {
        const Names names = {FamilyOf(backend.endpoint.address), false};
        if (!rules_.sets.contains(names.Of("ours")) &&
            !rules_.sets.contains(names.Of("any-ours"))) {
          continue;
        }
        KeyBytes key;
        AppendAddress(backend.endpoint.address, &key);
        AppendPort(backend.endpoint.port, &key);
        Put(std::move(key), {}, Need(names.Of("peers"), Set::Kind::kSet, names, ByTarget()));
      }
    }
  }

  bool Has(const std::string& set) const { return rules_.sets.contains(set); }

  // What must hold before a key without an address means this machine.
  static Rule Begin(const Names& names) {
    if (!names.any) return {};
    return {IsToThisMachine{}, IsOfFamily{names.family}};
  }

  void AddFrame() {
    Chain guard{.hook = Chain::Hook::kGuard};
    Chain route;
    Chain source{.hook = Chain::Hook::kSource};
    for (const Family family : {Family::kV4, Family::kV6}) {
      for (const bool any : {false, true}) {
        const Names names = {family, any};
        AddGuard(names, &guard);
        AddRouting(names, &route);
        AddMasquerade(names, &source);
      }
      const Names names = {family, false};
      if (Has(names.Of("peers"))) {
        // Our own stack would answer with a reset, and end the connection.
        guard.rules.push_back(
            {IsInvalid{}, IsIn{{family, {Field::kSource, Field::kSourcePort}}, names.Of("peers")},
             Verdict{Verdict::Kind::kDrop, ""}});
      }
    }
    rules_.chains["guard"] = std::move(guard);
    // Nobody goes there. The kernel tracks connections while a rule speaks of them: without any,
    // flows of routes that are gone would be reset.
    rules_.chains["keep"] = {.rules = {{IsInvalid{}, Verdict{Verdict::Kind::kReturn, ""}}}};
    rules_.chains[kRouteChain] = std::move(route);
    rules_.chains["pre"] = {.hook = Chain::Hook::kTranslate,
                            .rules = {{IsSyn{}, Verdict{Verdict::Kind::kGoto, kRouteChain}}}};
    rules_.chains["post"] = std::move(source);
  }

  void AddGuard(const Names& names, Chain* guard) {
    const std::string ours = names.Of("ours");
    if (!Has(ours)) return;
    const std::string newcomers = absl::StrCat(kNewcomers, names.family == Family::kV4 ? "4" : "6");
    rules_.chains[newcomers] = {
        .rules = {{LimitEvents{}}, {UseTimeouts{AddTimeouts(common_, names.family, &rules_)}}}};

    Rule invalid = Begin(names);
    invalid.push_back(IsInvalid{});
    invalid.push_back(IsIn{names.Asked(ByTarget()), ours});
    invalid.push_back(Verdict{Verdict::Kind::kDrop, ""});
    guard->rules.push_back(std::move(invalid));

    Rule first = Begin(names);
    first.push_back(IsSyn{});
    first.push_back(IsIn{names.Asked(ByTarget()), ours});
    first.push_back(Verdict{Verdict::Kind::kJump, newcomers});
    guard->rules.push_back(std::move(first));
  }

  void AddRouting(const Names& names, Chain* route) {
    const auto add = [&](Statement statement) {
      Rule rule = Begin(names);
      rule.push_back(std::move(statement));
      route->rules.push_back(std::move(rule));
    };
    if (Has(names.Of("client"))) add(GoWhere{names.Asked(ByClient()), names.Of("client")});
    if (Has(names.Of("go"))) add(GoWhere{names.Asked(ByTarget()), names.Of("go")});
    if (Has(names.Of("one"))) add(ForwardWhere{names.Asked(ByTarget()), names.Of("one")});
  }

  void AddMasquerade(const Names& names, Chain* source) {
    const auto add = [&](const Key& key, const std::string& set) {
      Rule rule = {IsOfFamily{names.family}, IsTcp{}, IsForwarded{}};
      // Others may forward the same port of other addresses.
      if (names.any) {
        rule.push_back(IsIn{{names.family, ByTarget()}, Names{names.family, false}.Of("peers")});
      }
      rule.push_back(IsIn{key, set});
      rule.push_back(Masquerade{});
      source->rules.push_back(std::move(rule));
    };
    if (Has(names.Of("masq"))) add(names.Asked(ByDialled()), names.Of("masq"));
    if (Has(names.Of("masq-client"))) add(names.Asked(ByDialledClient()), names.Of("masq-client"));
  }

  const Plan& plan_;
  const Timeouts common_;
  Ruleset rules_;
  std::map<std::string, std::string> chains_;  // by route
  std::map<std::string, std::string> turns_;
};

}  // namespace

std::string NameInTable(absl::string_view route) {
  constexpr size_t kLongest = 150;  // the kernel's limit is 255, with what is put before it
  std::string name;
  uint32_t hash = 0x811c9dc5;
  bool changed = route.size() > kLongest || route.empty();
  for (const char c : route) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193;
    const bool fits =
        absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
    changed = changed || !fits;
    if (name.size() < kLongest) name.push_back(fits ? c : '_');
  }
  if (changed) absl::StrAppend(&name, absl::StrFormat("/%08x", hash));
  return name;
}

Timeouts MostCommonTimeouts(absl::Span<const Route> routes) {
  std::map<std::tuple<absl::Duration, absl::Duration, absl::Duration>, size_t> counts;
  Timeouts best;
  size_t most = 0;
  for (const Route& route : routes) {
    const Timeouts& t = route.timeouts;
    const size_t count = ++counts[{t.connect, t.inactivity, t.half_close}];
    if (count <= most) continue;
    most = count;
    best = t;
  }
  return best;
}

Ruleset BuildRuleset(const Plan& plan) {
  return BuildRuleset(plan, MostCommonTimeouts(plan.routes));
}

Ruleset BuildRuleset(const Plan& plan, const Timeouts& common) {
  return Builder(plan, common).Build();
}

}  // namespace tlsbridge::kernel
