#include "router/kernel/build_ruleset.h"

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/kernel/batch.h"
#include "router/kernel/plan_change.h"
#include "router/kernel/ruleset_text.h"
#include "tests/router/kernel/support/random_plan.h"

namespace tlsbridge::kernel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Backend At(const char* address, uint32_t weight = 1) { return {{Ip(address), 9000}, weight}; }

// One route on 10.7.1.1:443, for all.
Plan OneRoute(std::vector<Backend> backends) {
  Plan plan;
  plan.routes.push_back({.name = "mail", .backends = std::move(backends)});
  plan.listeners.push_back({{Ip("10.7.1.1"), 443}, {{std::nullopt, 0}}});
  return plan;
}

std::string TextOf(const Plan& plan) { return RulesetText(BuildRuleset(plan)); }

TEST(BuildRulesetTest, ARouteWithOneBackendIsOneElement) {
  EXPECT_EQ(TextOf(OneRoute({At("10.7.2.11")})), R"(table inet tlsbridge {
	ct timeout times4-5-14400-60 {
		protocol tcp
		l3proto ip
		policy = { syn_sent : 5, established : 14400, fin_wait : 60, close_wait : 60, last_ack : 30, time_wait : 10, close : 1 }
	}

	set masq4 {
		type ipv4_addr . inet_service
		elements = { 10.7.1.1 . 443 }
	}

	map one4 {
		type ipv4_addr . inet_service : ipv4_addr . inet_service
		counter
		elements = { 10.7.1.1 . 443 : 10.7.2.11 . 9000 }
	}

	set ours4 {
		type ipv4_addr . inet_service
		elements = { 10.7.1.1 . 443 }
	}

	set peers4 {
		type ipv4_addr . inet_service
		elements = { 10.7.2.11 . 9000 }
	}

	chain guard {
		type filter hook prerouting priority -110; policy accept;
		ct state invalid ip daddr . tcp dport @ours4 drop
		tcp flags & (fin | syn | rst | ack) == syn ip daddr . tcp dport @ours4 jump newcomers4
		ct state invalid ip saddr . tcp sport @peers4 drop
	}

	chain keep {
		ct state invalid return
	}

	chain newcomers4 {
		ct event set new,destroy,protoinfo
		ct timeout set "times4-5-14400-60"
	}

	chain post {
		type nat hook postrouting priority 95; policy accept;
		meta nfproto ipv4 meta l4proto tcp ct status dnat ct original ip daddr . ct original proto-dst @masq4 masquerade
	}

	chain pre {
		type nat hook prerouting priority -105; policy accept;
		tcp flags & (fin | syn | rst | ack) == syn goto route
	}

	chain route {
		dnat ip to ip daddr . tcp dport map @one4
	}
}
)");
}

TEST(BuildRulesetTest, EachOfThreeBackendsTakesItsShareOfWhatIsLeft) {
  const std::string text = TextOf(OneRoute({At("10.7.2.11"), At("10.7.2.12"), At("10.7.2.13")}));
  EXPECT_THAT(text, HasSubstr("10.7.1.1 . 443 : jump turns-mail"));
  EXPECT_THAT(text, HasSubstr(R"(	chain turns-mail {
		numgen inc mod 3 0 meta l4proto tcp dnat ip to 10.7.2.11:9000
		numgen inc mod 2 0 meta l4proto tcp dnat ip to 10.7.2.12:9000
	})"));
  // What comes back from there.
  EXPECT_THAT(text, HasSubstr("10.7.1.1 . 443 : 10.7.2.13 . 9000"));
  EXPECT_THAT(text, HasSubstr(R"(	chain route {
		ip daddr . tcp dport vmap @go4
		dnat ip to ip daddr . tcp dport map @one4
	})"));
}

TEST(BuildRulesetTest, WhereClientsAreNotAllTheLastBackendIsInTheChainToo) {
  Plan plan = OneRoute({At("10.7.2.11"), At("10.7.2.12")});
  plan.listeners[0].claims[0].clients = *Cidr::Parse("10.0.0.0/8");
  EXPECT_THAT(TextOf(plan), HasSubstr(R"(	chain backends-mail {
		numgen inc mod 2 0 meta l4proto tcp dnat ip to 10.7.2.11:9000
		meta l4proto tcp dnat ip to 10.7.2.12:9000
	})"));
}

TEST(BuildRulesetTest, PacketsOfOneFamilyUseUpNoTurnsOfTheOther) {
  EXPECT_THAT(TextOf(OneRoute({At("10.7.2.11"), At("10.7.2.12"), At("fd07::11"), At("fd07::12")})),
              HasSubstr(R"(	chain turns-mail {
		meta nfproto ipv4 numgen inc mod 2 0 meta l4proto tcp dnat ip to 10.7.2.11:9000
		meta nfproto ipv6 numgen inc mod 2 0 meta l4proto tcp dnat ip6 to [fd07::11]:9000
	})"));
}

TEST(BuildRulesetTest, WeightsAreReducedAndZeroGetsNothing) {
  const std::string text =
      TextOf(OneRoute({At("10.7.2.11", 60), At("10.7.2.12", 20), At("10.7.2.13", 0)}));
  EXPECT_THAT(text, HasSubstr("numgen inc mod 4 < 3 meta l4proto tcp dnat ip to 10.7.2.11:9000"));
  EXPECT_THAT(text, HasSubstr("10.7.1.1 . 443 : 10.7.2.12 . 9000"));
  EXPECT_THAT(text, Not(HasSubstr("dnat ip to 10.7.2.13")));
}

TEST(BuildRulesetTest, LimitsStandBeforeBackendsSoThatHealthLeavesWhatTheyCounted) {
  Plan plan = OneRoute({At("10.7.2.11"), At("10.7.2.12")});
  plan.routes[0].limits = {
      .connections = 100, .connections_per_client = 4, .new_per_client_per_minute = 60};
  const Ruleset before = BuildRuleset(plan);
  EXPECT_THAT(RulesetText(before), HasSubstr(R"(	chain limits-mail {
		ct count over 100 return
		add @clients4-mail { ip saddr ct count over 4 } return
		update @rates4-mail { ip saddr limit rate over 60/minute burst 60 packets } return
		goto backends-mail
	})"));
  plan.routes[0].backends[0].serving = false;
  const Ruleset after = BuildRuleset(plan);
  EXPECT_EQ(after.chains.at("limits-mail"), before.chains.at("limits-mail"));
  EXPECT_NE(after.chains.at("backends-mail"), before.chains.at("backends-mail"));
  EXPECT_EQ(after.elements, before.elements);
}

TEST(BuildRulesetTest, ABackendThatDoesNotServeLeavesItsClientsToTheProgram) {
  Plan plan = OneRoute({At("10.7.2.11")});
  plan.routes[0].backends[0].serving = false;
  const Ruleset rules = BuildRuleset(plan);
  EXPECT_TRUE(rules.elements.at("one4").empty());
  // What it has goes on, and is guarded.
  EXPECT_EQ(rules.elements.at("peers4").size(), 1U);
  EXPECT_EQ(rules.elements.at("ours4").size(), 1U);
  EXPECT_EQ(rules.chains, BuildRuleset(OneRoute({At("10.7.2.11")})).chains);
}

TEST(BuildRulesetTest, WithoutRoutesConnectionsAreTrackedStill) {
  EXPECT_THAT(TextOf(Plan()), HasSubstr("ct state invalid return"));
}

TEST(BuildRulesetTest, BackendsOfTheOtherFamilyAreNotForTheseClients) {
  EXPECT_TRUE(BuildRuleset(OneRoute({At("fd07::11")})).sets.empty());
  const Ruleset rules = BuildRuleset(OneRoute({At("fd07::11"), At("10.7.2.11")}));
  EXPECT_EQ(rules.elements.at("one4").size(), 1U);
  EXPECT_FALSE(rules.sets.contains("one6"));
}

TEST(BuildRulesetTest, AListenerOnEveryAddressMeansThisMachineAlone) {
  Plan plan = OneRoute({At("10.7.2.11")});
  plan.listeners[0].address.address = Ip("0.0.0.0");
  const std::string text = TextOf(plan);
  EXPECT_THAT(text, HasSubstr("fib daddr type local meta nfproto ipv4 dnat ip to tcp dport map "
                              "@any-one4"));
  EXPECT_THAT(text, HasSubstr("ct status dnat ip daddr . tcp dport @peers4 ct original proto-dst "
                              "@any-masq4 masquerade"));
}

TEST(BuildRulesetTest, ARouteThatKeepsTheClientsAddressIsNotMasqueraded) {
  Plan plan = OneRoute({At("10.7.2.11")});
  plan.routes[0].masquerade = false;
  EXPECT_THAT(TextOf(plan), Not(HasSubstr("masquerade")));
}

TEST(BuildRulesetTest, SomeClientsAreAnIntervalAndGoToTheRoutesChain) {
  Plan plan = OneRoute({At("10.7.2.11")});
  plan.listeners[0].claims[0].clients = *Cidr::Parse("10.0.0.0/8");
  const std::string text = TextOf(plan);
  EXPECT_THAT(text, HasSubstr("10.7.1.1 . 443 . 10.0.0.0-10.255.255.255 : goto backends-mail"));
  EXPECT_THAT(text, HasSubstr("ip daddr . tcp dport . ip saddr vmap @client4"));
}

TEST(BuildRulesetTest, NamesOfRoutesBecomeNamesOfTablesAndStayDifferent) {
  EXPECT_EQ(NameInTable("orders.internal-1_a"), "orders.internal-1_a");
  EXPECT_NE(NameInTable("a b"), NameInTable("a?b"));
  EXPECT_NE(NameInTable("a b"), NameInTable("a_b"));
  const std::string long_name(500, 'x');
  EXPECT_LT(NameInTable(long_name).size(), 200U);
  EXPECT_NE(NameInTable(long_name), NameInTable(long_name + "x"));
}

TEST(DifferenceTest, BetweenEqualRulesThereIsNone) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    const Ruleset rules = BuildRuleset(RandomPlan(seed));
    EXPECT_TRUE(DifferenceBatch(rules, rules).empty());
  }
}

TEST(DifferenceTest, ABackendThatGoesIsOneElement) {
  Plan plan = OneRoute({At("10.7.2.11")});
  for (uint16_t port = 1000; port < 3000; ++port) {
    plan.listeners.push_back({{Ip("10.7.1.1"), port}, {{std::nullopt, 0}}});
  }
  plan.routes.push_back({.name = "other", .backends = {At("10.7.2.12")}});
  plan.listeners.push_back({{Ip("10.7.1.1"), 444}, {{std::nullopt, 1}}});
  const Ruleset before = BuildRuleset(plan);
  plan.routes[1].backends[0].serving = false;
  EXPECT_EQ(DifferenceBatch(before, BuildRuleset(plan)).messages(), 1U);
}

TEST(DifferenceTest, ABackendOfSeveralThatGoesIsItsRoutesChain) {
  Plan plan = OneRoute({At("10.7.2.11"), At("10.7.2.12"), At("10.7.2.13")});
  const Ruleset before = BuildRuleset(plan);
  plan.routes[0].backends[1].serving = false;
  // The old rules go, one comes.
  EXPECT_EQ(DifferenceBatch(before, BuildRuleset(plan)).messages(), 2U);
}

TEST(DifferenceTest, OfTwoBackendsOneThatGoesNeedsNoRule) {
  const Plan plan = OneRoute({At("10.7.2.11"), At("10.7.2.12")});
  const Ruleset before = BuildRuleset(plan);
  for (const size_t gone : {0, 1}) {
    Plan after = plan;
    after.routes[0].backends[gone].serving = false;
    const Ruleset rules = BuildRuleset(after);
    EXPECT_TRUE(rules.chains.at("turns-mail").rules.empty());
    EXPECT_EQ(rules.elements.at("one4").begin()->second.endpoint,
              plan.routes[0].backends[1 - gone].endpoint);
    // The old rule goes, and if it was the last one's, so does the element, and a new one comes.
    EXPECT_EQ(DifferenceBatch(before, rules).messages(), gone == 0 ? 1U : 3U);
  }
}

TEST(PlanChangeTest, AChangeOfHealthOrWeightsIsWhatTheWholeWouldBe) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    Plan plan = RandomPlan(seed);
    Ruleset rules = BuildRuleset(plan);
    for (uint32_t i = 0; i < 5; ++i) {
      const Plan before = plan;
      Route& route = plan.routes[(seed + i) % plan.routes.size()];
      std::vector<Backend>& backends = route.backends;
      if (backends.empty()) continue;
      Backend& backend = backends[i % backends.size()];
      if (i % 2 == 0) backend.serving = !backend.serving;
      if (i % 2 == 1) backend.weight = seed % 5;
      const auto change = FindChange(before, PlanIndex(before), {route});
      ASSERT_TRUE(change.has_value());
      ApplyChange(*change, &rules);
      ASSERT_EQ(rules, BuildRuleset(plan)) << "seed " << seed << " step " << i;
    }
  }
}

TEST(PlanChangeTest, AnythingElseIsForTheWholeToCompare) {
  const Plan plan = OneRoute({At("10.7.2.11"), At("10.7.2.12")});
  const PlanIndex index(plan);
  EXPECT_TRUE(FindChange(plan, index, {plan.routes[0]}).has_value());
  Route other = plan.routes[0];
  other.backends.pop_back();
  EXPECT_FALSE(FindChange(plan, index, {other}).has_value());
  other = plan.routes[0];
  other.limits.connections = 1;
  EXPECT_FALSE(FindChange(plan, index, {other}).has_value());
  other = plan.routes[0];
  other.name = "web";
  EXPECT_FALSE(FindChange(plan, index, {other}).has_value());
}

TEST(PlanChangeTest, OfManyRoutesOnlyTheOneThatChangedIsLookedAt) {
  Plan plan;
  for (uint16_t i = 0; i < 100; ++i) {
    plan.routes.push_back({.name = std::to_string(i), .backends = {At("10.7.2.11")}});
    plan.listeners.push_back(
        {{Ip("10.7.1.1"), static_cast<uint16_t>(1000 + i)}, {{std::nullopt, size_t{i}}}});
  }
  Route after = plan.routes[50];
  after.backends[0].serving = false;
  const auto change = FindChange(plan, PlanIndex(plan), {after});
  ASSERT_TRUE(change.has_value());
  EXPECT_EQ(change->from.elements.at("ours4").size(), 1U);
  EXPECT_EQ(DifferenceBatch(change->from, change->to).messages(), 1U);
}

TEST(BatchTest, SaysOfAnAnswerWhatItIsAbout) {
  Batch batch("tlsbridge");
  batch.AddTable(kOwner);
  const uint32_t table = batch.last_sequence();
  batch.AddChain("pre", {});
  EXPECT_EQ(batch.Describe(table), "table 'tlsbridge'");
  EXPECT_EQ(batch.Describe(table + 1), "chain 'pre'");
  EXPECT_EQ(batch.Describe(0), "the whole batch of table 'tlsbridge'");
}

TEST(BatchTest, ManyElementsAreSeveralMessages) {
  Ruleset rules = BuildRuleset(OneRoute({At("10.7.2.11")}));
  for (uint32_t i = 0; i < 20000; ++i) {
    KeyBytes key;
    AppendAddress(Ip("10.7.3.3"), &key);
    AppendPort(static_cast<uint16_t>(i + 1), &key);
    rules.elements["one4"][key] = {.endpoint = {Ip("10.7.2.11"), 9000}};
  }
  Batch batch(rules.table);
  batch.AddElements("one4", rules.sets.at("one4"), rules.elements.at("one4"));
  EXPECT_GT(batch.messages(), 10U);
  EXPECT_LT(batch.messages(), 40U);
  EXPECT_TRUE(batch.Check().ok());
}

}  // namespace
}  // namespace tlsbridge::kernel
