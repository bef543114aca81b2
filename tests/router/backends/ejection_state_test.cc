#include "router/backends/ejection_state.h"

#include <gtest/gtest.h>

namespace tlsbridge {
namespace {

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);
constexpr Ejection kSettings = {.after_failures = 3,
                                .first = absl::Seconds(10),
                                .longest = absl::Seconds(60),
                                .keep_fraction = 0.5};

// Fails until it is out, and says for how long.
absl::Duration EjectAt(EjectionState* state, absl::Time now, int failures) {
  for (int i = 1; i < failures; ++i) EXPECT_FALSE(state->OnFailure(kSettings, now, true));
  EXPECT_TRUE(state->OnFailure(kSettings, now, true));
  EXPECT_TRUE(state->ejected(now));
  return state->until() - now;
}

TEST(EjectionState, OnlyFailuresInARowCount) {
  EjectionState state;
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(state.OnFailure(kSettings, kStart, true));
    EXPECT_FALSE(state.OnFailure(kSettings, kStart, true));
    EXPECT_FALSE(state.OnSuccess(kStart));
  }
  EXPECT_EQ(EjectAt(&state, kStart, 3), absl::Seconds(10));
}

TEST(EjectionState, OneThatMayNotBeEjectedIsKnownToFailUntilItDoesNot) {
  EjectionState state;
  const auto fail = [&state](absl::Time now) {
    EXPECT_FALSE(state.OnFailure(kSettings, now, /*may_eject=*/false));
  };
  fail(kStart);
  fail(kStart);
  EXPECT_EQ(state.spared_since(), absl::InfiniteFuture());
  fail(kStart + absl::Seconds(1));
  fail(kStart + absl::Seconds(2));
  EXPECT_EQ(state.spared_since(), kStart + absl::Seconds(1));
  state.OnSuccess(kStart + absl::Seconds(3));
  EXPECT_EQ(state.spared_since(), absl::InfiniteFuture());
  for (int i = 0; i < 3; ++i) fail(kStart + absl::Seconds(4));
  EXPECT_TRUE(state.OnFailure(kSettings, kStart + absl::Seconds(5), /*may_eject=*/true));
  EXPECT_EQ(state.spared_since(), absl::InfiniteFuture()) << "it is out";
}

TEST(EjectionState, AfterItsTimeTheFirstFailureEjectsForTwiceAsLongUpToTheLongest) {
  EjectionState state;
  absl::Time now = kStart;
  EXPECT_EQ(EjectAt(&state, now, 3), absl::Seconds(10));
  for (const int seconds : {20, 40, 60, 60}) {
    now = state.until();
    EXPECT_FALSE(state.ejected(now));
    EXPECT_EQ(EjectAt(&state, now, 1), absl::Seconds(seconds));
  }
}

TEST(EjectionState, ASuccessEndsTheProbationButIsNotForgiveness) {
  EjectionState state;
  EjectAt(&state, kStart, 3);
  const absl::Time now = state.until();
  EXPECT_TRUE(state.OnSuccess(now));
  EXPECT_FALSE(state.OnSuccess(now)) << "told once";
  EXPECT_EQ(EjectAt(&state, now, 3), absl::Seconds(20));
}

TEST(EjectionState, ForgetsAfterAGoodWhile) {
  EjectionState state;
  EjectAt(&state, kStart, 3);
  state.OnSuccess(state.until());
  EXPECT_EQ(EjectAt(&state, state.until() + kSettings.longest, 3), absl::Seconds(10));
}

// Else the log would tell of an ejection without an end.
TEST(EjectionState, AReturnIsToldHoweverLateAndWhateverFailedMeanwhile) {
  EjectionState state;
  EjectAt(&state, kStart, 3);
  const absl::Time later = state.until() + kSettings.longest;
  EXPECT_FALSE(state.OnFailure(kSettings, later, true)) << "its probation is forgotten";
  EXPECT_TRUE(state.OnSuccess(later));
  EXPECT_FALSE(state.OnSuccess(later));
}

TEST(EjectionState, FailuresWhileOutChangeNothing) {
  EjectionState state;
  EjectAt(&state, kStart, 3);
  const absl::Time until = state.until();
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(state.OnFailure(kSettings, kStart, true));
  EXPECT_EQ(state.until(), until);
}

TEST(EjectionState, ASuccessWhileOutLetsItBackIn) {
  EjectionState state;
  EjectAt(&state, kStart, 3);
  EXPECT_TRUE(state.OnSuccess(kStart + absl::Seconds(1)));
  EXPECT_FALSE(state.ejected(kStart + absl::Seconds(1)));
}

TEST(EjectionState, IsOutAsSoonAsItMay) {
  EjectionState state;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(state.OnFailure(kSettings, kStart, false));
  EXPECT_TRUE(state.OnFailure(kSettings, kStart, true));
}

TEST(EjectionState, ZeroNeverEjects) {
  EjectionState state;
  Ejection never = kSettings;
  never.after_failures = 0;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(state.OnFailure(never, kStart, true));
}

}  // namespace
}  // namespace tlsbridge
