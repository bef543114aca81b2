#include "router/host/watchdog.h"

#include <memory>

#include "bridge/event/clock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

constexpr absl::Duration kPeriod = absl::Seconds(20);

class WatchdogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (auto* loop : {&control_, &first_, &second_}) *loop = *EventLoop::Create(&clock_);
    watchdog_ = std::make_unique<Watchdog>(control_.get(),
                                           std::vector<EventLoop*>{first_.get(), second_.get()},
                                           kPeriod, [this] { ++fed_; });
  }

  void Pass(absl::Duration time) {
    clock_.Advance(time);
    control_->Turn(/*wait=*/false);
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> control_, first_, second_;
  int fed_ = 0;
  std::unique_ptr<Watchdog> watchdog_;
};

TEST_F(WatchdogTest, IsFedFourTimesAPeriodWhileAllLoopsTurn) {
  fed_ = 0;
  for (int i = 0; i < 40; ++i) {
    first_->Turn(/*wait=*/false);
    second_->Turn(/*wait=*/false);
    Pass(kPeriod / 40);
  }
  EXPECT_GE(fed_, 3);
  EXPECT_LE(fed_, 5);
}

TEST_F(WatchdogTest, OneLoopThatDoesNotTurnStarvesIt) {
  fed_ = 0;
  for (int i = 0; i < 40; ++i) {
    first_->Turn(/*wait=*/false);
    Pass(kPeriod / 40);
  }
  EXPECT_EQ(fed_, 0);
}

TEST_F(WatchdogTest, IsFedAgainOnceTheLoopHasComeBack) {
  for (int i = 0; i < 10; ++i) Pass(kPeriod / 4);
  fed_ = 0;
  first_->Turn(/*wait=*/false);
  second_->Turn(/*wait=*/false);
  Pass(kPeriod / 2);
  EXPECT_EQ(fed_, 1);
}

TEST_F(WatchdogTest, AQuestionMayBeAnsweredAfterItsEnd) {
  watchdog_.reset();
  first_->Turn(/*wait=*/false);
  second_->Turn(/*wait=*/false);
  EXPECT_EQ(control_->service_timers().armed(), 0u);
}

}  // namespace
}  // namespace tlsbridge
