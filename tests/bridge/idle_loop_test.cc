// What armed timers cost a loop in which nothing happens: wake-ups, not seconds, are counted.

#include <memory>
#include <vector>

#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

class IdleLoop : public ::testing::Test {
 protected:
  void Arm(int timers, absl::Duration first, absl::Duration step) {
    for (int i = 0; i < timers; ++i) {
      timers_.push_back(std::make_unique<Timer>(loop_.get(), [this] { ++fired_; }));
      timers_.back()->ArmAfter(first + i * step);
    }
  }

  // Sleeps as the loop would, from one alarm to the next, and counts how often it wakes.
  int WakeUpsWithin(absl::Duration time) {
    const absl::Time end = clock_.Monotonic() + time;
    int wake_ups = 0;
    while (true) {
      const auto next = loop_->connection_timers().NextWakeUp();
      if (!next.has_value() || *next > end) break;
      ++wake_ups;
      clock_.Advance(*next - clock_.Monotonic());
      loop_->Turn(/*wait=*/false);
    }
    clock_.Advance(end - clock_.Monotonic());
    loop_->Turn(/*wait=*/false);
    return wake_ups;
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  std::vector<std::unique_ptr<Timer>> timers_;
  int fired_ = 0;
};

TEST_F(IdleLoop, WithoutATimerNeverWakes) { EXPECT_EQ(WakeUpsWithin(absl::Hours(1000)), 0); }

TEST_F(IdleLoop, WakesForAHundredThousandIdleConnectionsAsRarelyAsForOne) {
  Arm(1, absl::Hours(4), absl::ZeroDuration());
  const int for_one = WakeUpsWithin(absl::Hours(3));
  timers_.clear();
  Arm(100'000, absl::Hours(4), absl::Milliseconds(7));
  const int for_many = WakeUpsWithin(absl::Hours(3));
  EXPECT_EQ(fired_, 0);
  // An hour's slot of the wheel is at most six levels deep.
  EXPECT_LE(for_one, 6);
  EXPECT_LE(for_many, for_one + 6);
}

TEST_F(IdleLoop, ATurnTouchesNoTimerThatIsNotDue) {
  Arm(100'000, absl::Hours(4), absl::Milliseconds(7));
  const auto next = loop_->connection_timers().NextWakeUp();
  for (int i = 0; i < 1000; ++i) {
    clock_.Advance(absl::Milliseconds(1));
    loop_->Turn(/*wait=*/false);
  }
  EXPECT_EQ(loop_->connection_timers().armed(), 100'000u);
  EXPECT_EQ(loop_->connection_timers().NextWakeUp(), next) << "no slot was opened";
}

TEST_F(IdleLoop, TimersThatAreMovedForEverLeaveNothingBehind) {
  Arm(1000, absl::Seconds(10), absl::ZeroDuration());
  for (int second = 0; second < 3600; ++second) {
    clock_.Advance(absl::Seconds(1));
    loop_->Turn(/*wait=*/false);
    for (auto& timer : timers_) timer->ArmAfter(absl::Seconds(10));
  }
  EXPECT_EQ(fired_, 0);
  EXPECT_EQ(loop_->connection_timers().armed(), 1000u);
  timers_.clear();
  EXPECT_EQ(loop_->connection_timers().armed(), 0u);
  EXPECT_EQ(WakeUpsWithin(absl::Hours(1000)), 0);
}

TEST_F(IdleLoop, TimersThatFallDueTogetherFireInOneTurn) {
  Arm(100'000, absl::Minutes(1), absl::ZeroDuration());
  clock_.Advance(absl::Minutes(1));
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(fired_, 100'000);
}

}  // namespace
}  // namespace tlsbridge
