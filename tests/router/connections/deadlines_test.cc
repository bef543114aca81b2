// Which deadline comes next: every state, every treatment, no socket.

#include "router/connections/deadlines.h"

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Reason = TerminationReason;

class DeadlinesTest : public ::testing::Test {
 protected:
  DeadlinesTest() {
    route_.timeouts = {.handshake = absl::Seconds(10),
                       .connect = absl::Seconds(5),
                       .initial_data = absl::Seconds(60),
                       .inactivity = absl::Hours(4),
                       .half_close = absl::Seconds(60),
                       .max_lifetime = absl::Hours(24)};
    record_.route = &route_;
    record_.accepted_at = start_;
    record_.lifetime = absl::Hours(24);
    record_.keepalive_tightened = true;
  }

  void ExpectNext(BridgeState state, absl::Time at, Reason reason) {
    const Deadline next = NextDeadline(record_, {state, last_activity_, any_bytes_});
    EXPECT_EQ(next.at, at) << BridgeStateName(state);
    EXPECT_EQ(next.reason, reason) << TerminationReasonName(next.reason);
  }

  const absl::Time start_ = absl::UnixEpoch() + absl::Hours(100);
  const absl::Time never_ = absl::InfiniteFuture();
  Route route_;
  ConnectionRecord record_;
  absl::Time last_activity_ = start_;
  bool any_bytes_ = false;
};

TEST_F(DeadlinesTest, AHandshakeCountsFromAccepting) {
  last_activity_ = start_ + absl::Seconds(9);
  ExpectNext(BridgeState::kHandshaking, start_ + absl::Seconds(10), Reason::kHandshakeTimeout);
}

TEST_F(DeadlinesTest, DiallingCountsFromItsBeginningThroughEveryBackend) {
  record_.connecting_since = start_ + absl::Seconds(3);
  ExpectNext(BridgeState::kConnecting, start_ + absl::Seconds(8), Reason::kConnectTimeout);
  ExpectNext(BridgeState::kRouting, start_ + absl::Seconds(8), Reason::kConnectTimeout);
}

TEST_F(DeadlinesTest, TheFirstByteIsAwaitedFromTheBackendsConnection) {
  record_.connected_at = start_ + absl::Seconds(4);
  last_activity_ = record_.connected_at;
  ExpectNext(BridgeState::kBridging, start_ + absl::Seconds(64), Reason::kInitialTimeout);
  any_bytes_ = true;
  ExpectNext(BridgeState::kBridging, last_activity_ + absl::Hours(4), Reason::kInactivity);
}

TEST_F(DeadlinesTest, WhatEndsItIsNoLookThatOnlyDoesSomethingElse) {
  const auto ends = [this](BridgeState state) {
    return NextEnd(record_, {state, last_activity_, any_bytes_}, absl::Minutes(5));
  };
  record_.keepalive_tightened = false;
  record_.half_closed_at = start_;
  ExpectNext(BridgeState::kHalfClosed, start_ + absl::Seconds(5), Reason::kNone);
  EXPECT_EQ(ends(BridgeState::kHalfClosed).at, start_ + absl::Seconds(60));
  EXPECT_EQ(ends(BridgeState::kHalfClosed).reason, Reason::kHalfCloseTimeout);
  record_.connecting_since = start_;
  record_.attempt_ends_at = start_ + absl::Seconds(1);
  ExpectNext(BridgeState::kConnecting, start_ + absl::Seconds(1), Reason::kNone);
  EXPECT_EQ(ends(BridgeState::kConnecting).at, start_ + absl::Seconds(5));
  EXPECT_EQ(ends(BridgeState::kConnecting).reason, Reason::kConnectTimeout);
  EXPECT_EQ(ends(BridgeState::kDraining).at, never_);
}

TEST_F(DeadlinesTest, OnePastItsAgeAndInUseEndsWhenItsDrainIsOver) {
  any_bytes_ = true;
  record_.lifetime = absl::Hours(1);
  const Progress progress = {BridgeState::kBridging, start_, any_bytes_};
  EXPECT_EQ(NextEnd(record_, progress, absl::Minutes(5)).at, start_ + absl::Hours(1));
  record_.next_drain_look = start_ + absl::Hours(1) + absl::Milliseconds(100);
  EXPECT_EQ(NextEnd(record_, progress, absl::Minutes(5)).at,
            start_ + absl::Hours(1) + absl::Minutes(5));
  EXPECT_EQ(NextEnd(record_, progress, absl::Minutes(5)).reason, Reason::kMaxLifetime);
}

TEST_F(DeadlinesTest, TheEarlierOfTwoWins) {
  any_bytes_ = true;
  last_activity_ = start_ + absl::Hours(21);
  ExpectNext(BridgeState::kBridging, start_ + absl::Hours(24), Reason::kMaxLifetime);
  route_.timeouts.inactivity = absl::Hours(2);
  ExpectNext(BridgeState::kBridging, start_ + absl::Hours(23), Reason::kInactivity);
}

TEST_F(DeadlinesTest, AgeAppliesInEveryStateThatLives) {
  route_.timeouts = {absl::ZeroDuration(), absl::ZeroDuration(), absl::ZeroDuration(),
                     absl::ZeroDuration(), absl::ZeroDuration(), absl::ZeroDuration()};
  for (const BridgeState state :
       {BridgeState::kHandshaking, BridgeState::kRouting, BridgeState::kConnecting,
        BridgeState::kBridging, BridgeState::kHalfClosed}) {
    ExpectNext(state, start_ + absl::Hours(24), Reason::kMaxLifetime);
  }
  ExpectNext(BridgeState::kDraining, never_, Reason::kNone);
  ExpectNext(BridgeState::kClosed, never_, Reason::kNone);
}

TEST_F(DeadlinesTest, OneThatIsTooOldAndDrainsMeetsItsOtherDeadlinesMeanwhile) {
  any_bytes_ = true;
  last_activity_ = start_ + absl::Hours(24) - absl::Seconds(1);
  record_.next_drain_look = start_ + absl::Hours(24) + absl::Seconds(58);
  ExpectNext(BridgeState::kHalfClosed, record_.next_drain_look, Reason::kMaxLifetime);
  record_.next_drain_look = start_ + absl::Hours(24) + absl::Seconds(59);
  ExpectNext(BridgeState::kHalfClosed, last_activity_ + absl::Seconds(60),
             Reason::kHalfCloseTimeout);
}

TEST_F(DeadlinesTest, ZeroTurnsEachTimeoutOff) {
  route_.timeouts = {absl::ZeroDuration(), absl::ZeroDuration(), absl::ZeroDuration(),
                     absl::ZeroDuration(), absl::ZeroDuration(), absl::ZeroDuration()};
  record_.lifetime = WithJitter(absl::ZeroDuration(), 0.5);
  record_.connecting_since = record_.connected_at = start_;
  for (const BridgeState state :
       {BridgeState::kHandshaking, BridgeState::kRouting, BridgeState::kConnecting,
        BridgeState::kBridging, BridgeState::kHalfClosed}) {
    ExpectNext(state, never_, Reason::kNone);
  }
}

TEST_F(DeadlinesTest, HalfClosedHasItsOwnTimeoutInsteadOfInactivity) {
  route_.timeouts.inactivity = absl::Seconds(1);
  last_activity_ = start_ + absl::Minutes(5);
  ExpectNext(BridgeState::kHalfClosed, last_activity_ + absl::Seconds(60),
             Reason::kHalfCloseTimeout);
}

TEST_F(DeadlinesTest, AConnectionThatStaysHalfClosedHasItsKeepaliveTightenedOnce) {
  record_.keepalive_tightened = false;
  record_.half_closed_at = start_ + absl::Minutes(1);
  last_activity_ = record_.half_closed_at;
  ExpectNext(BridgeState::kHalfClosed, record_.half_closed_at + absl::Seconds(5), Reason::kNone);
  record_.keepalive_tightened = true;
  ExpectNext(BridgeState::kHalfClosed, last_activity_ + absl::Seconds(60),
             Reason::kHalfCloseTimeout);
}

// ---- Treatments.

TEST_F(DeadlinesTest, ExtendedMultipliesInactivityAndWarnsBefore) {
  any_bytes_ = true;
  record_.lifetime = absl::InfiniteDuration();
  route_.keep_alive = {KeepAliveTreatment::kExtended, 6, absl::Minutes(10)};
  const absl::Time end = start_ + absl::Hours(24);
  ExpectNext(BridgeState::kBridging, end - absl::Minutes(10), Reason::kNone);
  record_.inactivity_warned_at = end - absl::Minutes(10);
  ExpectNext(BridgeState::kBridging, end, Reason::kInactivity);
}

TEST_F(DeadlinesTest, ActivityAfterAWarningMakesRoomForAnother) {
  any_bytes_ = true;
  record_.lifetime = absl::InfiniteDuration();
  route_.keep_alive = {KeepAliveTreatment::kExtended, 6, absl::Minutes(10)};
  record_.inactivity_warned_at = start_ + absl::Hours(23);
  last_activity_ = start_ + absl::Hours(23) + absl::Seconds(1);
  ExpectNext(BridgeState::kBridging, last_activity_ + absl::Hours(24) - absl::Minutes(10),
             Reason::kNone);
}

TEST_F(DeadlinesTest, AWarningComesNoSoonerThanHalfWay) {
  any_bytes_ = true;
  route_.timeouts.inactivity = absl::Minutes(1);
  route_.keep_alive = {KeepAliveTreatment::kExtended, 2, absl::Hours(1)};
  ExpectNext(BridgeState::kBridging, start_ + absl::Minutes(1), Reason::kNone);
}

TEST_F(DeadlinesTest, AStandardConnectionIsNotWarnedOf) {
  any_bytes_ = true;
  ExpectNext(BridgeState::kBridging, start_ + absl::Hours(4), Reason::kInactivity);
}

TEST_F(DeadlinesTest, AnImmortalConnectionHasNoInactivityButStillAnAge) {
  any_bytes_ = true;
  route_.keep_alive.treatment = KeepAliveTreatment::kImmortal;
  ExpectNext(BridgeState::kBridging, start_ + absl::Hours(24), Reason::kMaxLifetime);
  record_.lifetime = absl::InfiniteDuration();
  ExpectNext(BridgeState::kBridging, never_, Reason::kNone);
}

TEST_F(DeadlinesTest, WithoutInactivityThereIsNothingToExtendOrWarnOf) {
  any_bytes_ = true;
  route_.timeouts.inactivity = absl::ZeroDuration();
  record_.lifetime = absl::InfiniteDuration();
  route_.keep_alive.treatment = KeepAliveTreatment::kExtended;
  ExpectNext(BridgeState::kBridging, never_, Reason::kNone);
}

TEST(EffectiveInactivity, OfEachTreatment) {
  Timeouts timeouts;
  timeouts.inactivity = absl::Hours(1);
  EXPECT_EQ(EffectiveInactivity(timeouts, {KeepAliveTreatment::kStandard, 6, {}}), absl::Hours(1));
  EXPECT_EQ(EffectiveInactivity(timeouts, {KeepAliveTreatment::kExtended, 2.5, {}}),
            absl::Minutes(150));
  EXPECT_EQ(EffectiveInactivity(timeouts, {KeepAliveTreatment::kImmortal, 6, {}}),
            absl::InfiniteDuration());
}

TEST(WithJitter, VariesByFivePercentEachWay) {
  EXPECT_EQ(WithJitter(absl::Hours(100), 0), absl::Hours(95));
  EXPECT_EQ(WithJitter(absl::Hours(100), 0.5), absl::Hours(100));
  EXPECT_EQ(WithJitter(absl::Hours(100), 1), absl::Hours(105));
  for (double random = 0; random <= 1; random += 0.01) {
    EXPECT_GE(WithJitter(absl::Hours(24), random), absl::Hours(22.8));
    EXPECT_LE(WithJitter(absl::Hours(24), random), absl::Hours(25.2));
  }
  EXPECT_EQ(WithJitter(absl::ZeroDuration(), 0.3), absl::InfiniteDuration());
}

}  // namespace
}  // namespace tlsbridge
