// The table of what a bridge may hold at each step, and of which step may follow which.

#include "bridge/bridge_state.h"

#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Step = BridgeStep;

std::vector<Step> AllSteps() {
  std::vector<Step> steps;
  for (size_t i = 0; i < kBridgeSteps; ++i) steps.push_back(static_cast<Step>(i));
  return steps;
}

BridgeParts Parts(int bits) {
  return {.client_tls = (bits & 1) != 0,
          .race = (bits & 2) != 0,
          .backend = (bits & 4) != 0,
          .backend_ready = (bits & 8) != 0,
          .first_bytes = (bits & 16) != 0,
          .early_bytes = (bits & 32) != 0,
          .rest = (bits & 64) != 0,
          .closing = (bits & 128) != 0};
}

// Calls `f` with all that the table allows.
template <typename F>
void ForAllLegal(F f) {
  for (const Step step : AllSteps()) {
    for (size_t s = 0; s < kStreams; ++s) {
      for (int bits = 0; bits < 256; ++bits) {
        const auto streams = static_cast<Streams>(s);
        if (IsLegal(step, streams, Parts(bits))) f(step, streams, Parts(bits));
      }
    }
  }
}

TEST(BridgeStateTest, BytesWaitForABackendOnlyWhileThereIsNone) {
  ForAllLegal([](Step step, Streams, const BridgeParts& parts) {
    if (parts.early_bytes && step < Step::kEnded) {
      EXPECT_FALSE(parts.backend_ready) << static_cast<int>(step);
    }
  });
}

TEST(BridgeStateTest, ABackendAndADialExcludeEachOther) {
  ForAllLegal([](Step step, Streams, const BridgeParts& parts) {
    if (step < Step::kEnded) {
      EXPECT_FALSE(parts.race && parts.backend) << static_cast<int>(step);
    }
  });
}

TEST(BridgeStateTest, NoStreamOfABackendEndsBeforeThereIsOne) {
  ForAllLegal([](Step step, Streams streams, const BridgeParts&) {
    if (step < Step::kBridging) {
      EXPECT_FALSE(HasEnded(streams, Side::kOutgoing)) << static_cast<int>(step);
    }
  });
}

TEST(BridgeStateTest, AnEndWaitsInOneStepOnly) {
  ForAllLegal([](Step step, Streams, const BridgeParts& parts) {
    if (step < Step::kEnded) {
      EXPECT_EQ(parts.rest, step == Step::kServingRest);
    }
  });
}

TEST(BridgeStateTest, WhatIsBridgingHasNoStreamThatEnded) {
  EXPECT_TRUE(IsLegal(Step::kBridging, Streams::kBothOpen, Parts(1 | 4 | 8)));
  EXPECT_FALSE(IsLegal(Step::kBridging, Streams::kClientEnded, Parts(1 | 4 | 8)));
  EXPECT_FALSE(IsLegal(Step::kHalfClosed, Streams::kBothOpen, Parts(1 | 4 | 8)));
}

TEST(BridgeStateTest, EveryStepCanBeReachedAndEveryOneEnds) {
  std::vector<bool> reached(kBridgeSteps);
  std::vector<Step> open = {Step::kPeeking};
  reached[0] = true;
  while (!open.empty()) {
    const Step from = open.back();
    open.pop_back();
    for (const Step to : AllSteps()) {
      if (!MayFollow(from, to) || reached[static_cast<size_t>(to)]) continue;
      reached[static_cast<size_t>(to)] = true;
      open.push_back(to);
    }
    if (from < Step::kDraining) {
      EXPECT_TRUE(MayFollow(from, Step::kDraining)) << static_cast<int>(from);
    }
  }
  for (const Step step : AllSteps()) {
    EXPECT_TRUE(reached[static_cast<size_t>(step)]) << static_cast<int>(step);
  }
}

TEST(BridgeStateTest, NothingFollowsTheEndButItsCleanup) {
  for (const Step to : AllSteps()) {
    EXPECT_EQ(MayFollow(Step::kEnded, to), to == Step::kDraining) << static_cast<int>(to);
    EXPECT_EQ(MayFollow(Step::kDraining, to), to == Step::kClosed) << static_cast<int>(to);
    EXPECT_FALSE(MayFollow(Step::kClosed, to)) << static_cast<int>(to);
  }
}

TEST(BridgeStateTest, TheStreamThatEndedFirstStaysTheFirst) {
  for (const Side first : {Side::kIncoming, Side::kOutgoing}) {
    const Streams one = WithEndOf(Streams::kBothOpen, first);
    EXPECT_TRUE(HasEnded(one, first));
    EXPECT_FALSE(HasEnded(one, Other(first)));
    const Streams both = WithEndOf(one, Other(first));
    EXPECT_TRUE(HasEnded(both, first));
    EXPECT_TRUE(HasEnded(both, Other(first)));
    EXPECT_EQ(ClientEndedFirst(one), first == Side::kIncoming);
    EXPECT_EQ(ClientEndedFirst(both), first == Side::kIncoming);
  }
}

}  // namespace
}  // namespace tlsbridge
