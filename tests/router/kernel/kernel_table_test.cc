// Tables in a kernel, in a namespace of the test's own.
#include "router/kernel/kernel_table.h"

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "router/kernel/build_ruleset.h"
#include "router/kernel/ruleset_text.h"
#include "tests/router/kernel/support/net_namespace.h"
#include "tests/router/kernel/support/random_plan.h"

namespace tlsbridge::kernel {
namespace {

// Each starts nft some times.
constexpr uint32_t kPlans = 15;

using testing::NetNamespace;
using testing::RunCommand;

class KernelTableTest : public testing::NamespaceTest {
 protected:
  static std::string Save(const std::string& text) {
    std::string path = absl::StrCat(::testing::TempDir(), "/rules.nft");
    std::ofstream(path) << text;
    return path;
  }

  // What nft shows of the table, an entry for each thing in it, without what two tables of one
  // meaning differ in: the owner, the order of a hash, and in which order they came to be.
  static std::vector<std::string> Listed() {
    const auto listed = RunCommand("nft -s list table inet tlsbridge");
    EXPECT_EQ(listed.exit_code, 0) << listed.output;
    std::vector<std::string> things;
    std::string thing;
    std::string elements;
    bool in_elements = false;
    for (absl::string_view line : absl::StrSplit(listed.output, '\n')) {
      line = absl::StripAsciiWhitespace(line);
      if (line.empty() || absl::StartsWith(line, "flags owner")) continue;
      if (absl::StartsWith(line, "table inet")) continue;
      if (absl::ConsumePrefix(&line, "elements = {")) in_elements = true;
      if (!in_elements) {
        absl::StrAppend(&thing, line, "\n");
        if (line == "}") things.push_back(std::exchange(thing, ""));
        continue;
      }
      absl::StrAppend(&elements, " ", line);
      if (!absl::EndsWith(line, "}")) continue;
      elements.pop_back();
      std::set<std::string> sorted;
      for (absl::string_view element : absl::StrSplit(elements, ',')) {
        sorted.emplace(absl::StripAsciiWhitespace(element));
      }
      absl::StrAppend(&thing, absl::StrJoin(sorted, ", "), "\n");
      elements.clear();
      in_elements = false;
    }
    std::sort(things.begin(), things.end());
    return things;
  }

  static std::vector<std::string> ListedOfText(const std::string& text) {
    const NetNamespace other;
    other.Enter();
    const auto loaded = RunCommand(absl::StrCat("nft -f ", Save(text)));
    EXPECT_EQ(loaded.exit_code, 0) << loaded.output << "\n" << text;
    return Listed();
  }
};

TEST_F(KernelTableTest, WhatIsSentListsAsTheTextDoesForManyPlans) {
  for (uint32_t seed = 1; seed <= kPlans; ++seed) {
    const Ruleset rules = BuildRuleset(RandomPlan(seed));
    const std::string text = RulesetText(rules);
    const std::vector<std::string> expected = ListedOfText(text);
    const NetNamespace ours;
    ours.Enter();
    const auto checked = RunCommand(absl::StrCat("nft -c -f ", Save(text)));
    EXPECT_EQ(checked.exit_code, 0) << checked.output;
    const auto table = KernelTable::Create(rules, {});
    ASSERT_TRUE(table.ok()) << "seed " << seed << ": " << table.status() << "\n" << text;
    ASSERT_EQ(Listed(), expected) << "seed " << seed << "\n" << text;
  }
}

TEST_F(KernelTableTest, ADifferenceLeadsToTheSameTableAsTheWhole) {
  const NetNamespace ours;
  ours.Enter();
  auto table = KernelTable::Create(BuildRuleset(RandomPlan(1)), {});
  ASSERT_TRUE(table.ok()) << table.status();
  for (uint32_t seed = 2; seed <= kPlans; ++seed) {
    ours.Enter();
    const Ruleset rules = BuildRuleset(RandomPlan(seed));
    const absl::Status changed = (*table)->Apply(rules);
    ASSERT_TRUE(changed.ok()) << "seed " << seed << ": " << changed;
    EXPECT_EQ((*table)->rewrites(), 0U) << "seed " << seed;
    const std::vector<std::string> listed = Listed();
    ASSERT_EQ(listed, ListedOfText(RulesetText(rules))) << "seed " << seed;
  }
}

TEST_F(KernelTableTest, APartThatChangesLeadsToTheSameTableAsTheWhole) {
  const NetNamespace ours;
  ours.Enter();
  Plan plan = RandomPlan(4);
  auto table = KernelTable::Create(BuildRuleset(plan), {});
  ASSERT_TRUE(table.ok()) << table.status();
  for (Route& route : plan.routes) {
    for (Backend& backend : route.backends) {
      ours.Enter();
      const Plan before = plan;
      backend.serving = !backend.serving;
      const auto change = FindChange(before, PlanIndex(before), {route});
      ASSERT_TRUE(change.has_value());
      const absl::Status changed = (*table)->Apply(*change);
      ASSERT_TRUE(changed.ok()) << changed;
      ASSERT_EQ((*table)->rewrites(), 0U);
    }
  }
  const std::vector<std::string> listed = Listed();
  EXPECT_FALSE(listed.empty());
  EXPECT_EQ(listed, ListedOfText(RulesetText(BuildRuleset(plan))));
}

TEST_F(KernelTableTest, TheTableGoesWithItsOwner) {
  const NetNamespace ours;
  ours.Enter();
  auto table = KernelTable::Create(BuildRuleset(RandomPlan(1)), {});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(RunCommand("nft flush ruleset; nft list table inet tlsbridge").exit_code, 0);
  table->reset();
  EXPECT_NE(RunCommand("nft list table inet tlsbridge").exit_code, 0);
}

TEST_F(KernelTableTest, ATableOfALivingOwnerIsRefusedAndAStaleOneTakenOver) {
  const NetNamespace ours;
  ours.Enter();
  ASSERT_EQ(RunCommand("nft add table inet tlsbridge; nft add chain inet tlsbridge old").exit_code,
            0);
  const auto first = KernelTable::Create(BuildRuleset(RandomPlan(1)), {});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(absl::StrContains(RunCommand("nft list ruleset").output, "chain old"));
  const auto second = KernelTable::Create(BuildRuleset(RandomPlan(2)), {});
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_TRUE(absl::StrContains(second.status().message(), "belongs to a running process"));
  Plan other = RandomPlan(2);
  other.table = "another";
  EXPECT_TRUE(KernelTable::Create(BuildRuleset(other), {}).ok());
}

TEST_F(KernelTableTest, ATableThatIsKeptIsTakenOver) {
  const NetNamespace ours;
  ours.Enter();
  {
    const auto first = KernelTable::Create(BuildRuleset(RandomPlan(1)), {.keep = true});
    if (absl::IsUnimplemented(first.status())) GTEST_SKIP() << first.status();
    ASSERT_TRUE(first.ok()) << first.status();
  }
  ASSERT_EQ(RunCommand("nft list table inet tlsbridge").exit_code, 0);
  const auto second = KernelTable::Create(BuildRuleset(RandomPlan(2)), {});
  EXPECT_TRUE(second.ok()) << second.status();
}

TEST_F(KernelTableTest, CheckSaysWhatTheKernelWouldAndChangesNothing) {
  const NetNamespace ours;
  ours.Enter();
  auto table = KernelTable::Create(BuildRuleset(RandomPlan(1)), {});
  ASSERT_TRUE(table.ok()) << table.status();
  const std::vector<std::string> before = Listed();
  EXPECT_TRUE((*table)->Check(BuildRuleset(RandomPlan(3))).ok());
  Ruleset wrong = BuildRuleset(RandomPlan(3));
  wrong.chains["pre"].rules.push_back({IsIn{{Family::kV4, {Field::kDestination}}, "nowhere"}});
  const absl::Status refused = (*table)->Check(wrong);
  EXPECT_TRUE(absl::IsNotFound(refused)) << refused;
  EXPECT_TRUE(absl::StrContains(refused.message(), "rule of chain 'pre'")) << refused;
  EXPECT_EQ(Listed(), before);
  EXPECT_FALSE((*table)->Apply(wrong).ok());
  EXPECT_EQ(Listed(), before);
}

TEST_F(KernelTableTest, ATableThatIsGoneIsWrittenAnew) {
  const NetNamespace ours;
  ours.Enter();
  auto table = KernelTable::Create(BuildRuleset(RandomPlan(1)), {});
  ASSERT_TRUE(table.ok()) << table.status();
  ASSERT_TRUE((*table)->Remove().ok());
  EXPECT_NE(RunCommand("nft list table inet tlsbridge").exit_code, 0);
  EXPECT_TRUE((*table)->Apply(BuildRuleset(RandomPlan(2))).ok());
  EXPECT_EQ(RunCommand("nft list ruleset").exit_code, 0);
}

}  // namespace
}  // namespace tlsbridge::kernel
