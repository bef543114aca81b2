#include "tools/chaos/plan.h"

#include <array>
#include <set>

#include "gtest/gtest.h"

namespace tlsbridge::chaos {
namespace {

TEST(PlanTest, IsTheSameForTheSameSeedAndNumber) {
  for (uint64_t number = 0; number < 1000; ++number) {
    EXPECT_EQ(Describe(DrawPlan(7, number)), Describe(DrawPlan(7, number)));
  }
}

TEST(PlanTest, DiffersBetweenSeeds) {
  EXPECT_NE(Describe(DrawPlan(1, 0)), Describe(DrawPlan(2, 0)));
}

TEST(PlanTest, EveryKindAndForgeryIsDrawn) {
  std::set<Kind> kinds;
  std::set<Forgery> forgeries;
  for (uint64_t number = 0; number < 10'000; ++number) {
    const Plan plan = DrawPlan(1, number);
    kinds.insert(plan.kind);
    if (plan.kind == Kind::kForged) forgeries.insert(plan.forgery);
  }
  EXPECT_EQ(kinds.size(), static_cast<size_t>(kKinds));
  EXPECT_EQ(forgeries.size(), static_cast<size_t>(kForgeries));
}

TEST(PlanTest, OneSideAtMostWaitsForTheOther) {
  for (uint64_t number = 0; number < 10'000; ++number) {
    const Plan plan = DrawPlan(3, number);
    EXPECT_TRUE(plan.client.hold_at == kNever || plan.backend.hold_at == kNever) << Describe(plan);
  }
}

TEST(PlanTest, NothingIsForgedThatTheVersionLacks) {
  for (uint64_t number = 0; number < 10'000; ++number) {
    const Plan plan = DrawPlan(4, number);
    if (plan.kind == Kind::kForged && plan.forgery == Forgery::kKeyUpdates) {
      EXPECT_TRUE(plan.tls13) << Describe(plan);
    }
  }
}

}  // namespace
}  // namespace tlsbridge::chaos
