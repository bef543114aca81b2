// The table of the service's phases, looked at from outside.

#include "router/service/phase.h"

#include <array>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

constexpr std::array kAll = {Phase::kStarting, Phase::kServing, Phase::kLeaving, Phase::kHandedOver,
                             Phase::kDraining, Phase::kEnding,  Phase::kCutting, Phase::kStopped};

TEST(PhaseTest, ThereIsNoWayBack) {
  for (const Phase from : kAll) {
    for (const Phase to : kAll) EXPECT_TRUE(!MayFollow(from, to) || from < to);
  }
}

TEST(PhaseTest, EachLeadsToTheEndAndIsReachedFromTheStart) {
  for (const Phase phase : kAll) {
    bool leaves = false;
    bool is_entered = false;
    for (const Phase other : kAll) {
      leaves = leaves || MayFollow(phase, other);
      is_entered = is_entered || MayFollow(other, phase);
    }
    EXPECT_EQ(leaves, phase != Phase::kStopped) << static_cast<int>(phase);
    EXPECT_EQ(is_entered, phase != Phase::kStarting) << static_cast<int>(phase);
  }
}

TEST(PhaseTest, NobodyIsWelcomeOnceItHasBeenToldToStop) {
  for (const Phase phase : kAll) {
    EXPECT_EQ(IsReady(phase), phase == Phase::kServing) << static_cast<int>(phase);
  }
}

TEST(PhaseTest, ItDoesNotStopBeforeItHasDrained) {
  for (const Phase phase : {Phase::kStarting, Phase::kServing, Phase::kLeaving}) {
    EXPECT_FALSE(MayFollow(phase, Phase::kStopped)) << static_cast<int>(phase);
  }
}

}  // namespace
}  // namespace tlsbridge
