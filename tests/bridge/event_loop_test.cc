#include "bridge/event/event_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "bridge/event/clock.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/failing_system.h"

namespace tlsbridge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Passes by itself at a quarter of the real clock's speed, so that libevent's timeouts come early.
class SlowClock final : public Clock {
 public:
  absl::Time Monotonic() const override { return start_ + (real_.Monotonic() - start_) / 4; }
  absl::Time Wall() const override { return real_.Wall(); }
  bool runs_by_itself() const override { return true; }

 private:
  const SystemClock real_{};
  const absl::Time start_ = real_.Monotonic();
};

// Passes by itself, as far as a loop can tell.
class JumpingClock final : public Clock {
 public:
  absl::Time Monotonic() const override { return now; }
  absl::Time Wall() const override { return now; }
  bool runs_by_itself() const override { return true; }

  absl::Time now = absl::UnixEpoch();
};

// Stops a loop that would wait for ever, so that a test fails instead of hanging.
class Watchdog {
 public:
  explicit Watchdog(EventLoop* loop)
      : thread_([this, loop] {
          std::unique_lock<std::mutex> lock(mutex_);
          if (!done_changed_.wait_for(lock, std::chrono::seconds(10), [this] { return done_; })) {
            barked_ = true;
            loop->Stop();
          }
        }) {}
  ~Watchdog() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
    }
    done_changed_.notify_all();
    thread_.join();
  }
  bool barked() const { return barked_; }

 private:
  std::mutex mutex_;
  std::condition_variable done_changed_;
  bool done_ = false;
  std::atomic<bool> barked_{false};
  std::thread thread_;
};

TEST(EventLoopTest, TimerFiresThoughItsAlarmRangEarlyAndNothingElseWakesTheLoop) {
  const SlowClock clock;
  auto loop = EventLoop::Create(&clock);
  ASSERT_TRUE(loop.ok()) << loop.status();
  Timer timer(loop->get(), [&loop] { (*loop)->Stop(); });
  timer.ArmAfter(absl::Milliseconds(50));
  const Watchdog watchdog(loop->get());
  (*loop)->Run();
  EXPECT_FALSE(watchdog.barked());
}

// ---- Stalls.

TEST(EventLoopTest, WhatIsDueNowFiresInThisTurnBetweenTwoStepsOfTheWheel) {
  ManualClock clock;
  const auto loop = *EventLoop::Create(&clock);
  clock.Advance(absl::Microseconds(300));
  int fired = 0;
  Timer timer(loop.get(), [&fired] { ++fired; });
  loop->set_chore([&] {
    if (fired == 0) timer.ArmAfter(absl::ZeroDuration());
    return false;
  });
  loop->Turn(/*wait=*/false);
  EXPECT_EQ(fired, 1);
}

class StallTest : public ::testing::Test {
 protected:
  StallTest() {
    clock_.set_runs_by_itself(true);
    loop_->set_on_stall([this](absl::Duration stall) { stalls_.push_back(stall); });
    Turn();
  }

  void Turn() { loop_->Turn(/*wait=*/false); }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  std::vector<absl::Duration> stalls_;
};

TEST_F(StallTest, DeadlinesMoveByIt) {
  int fired = 0;
  Timer timer(loop_.get(), [&fired] { ++fired; });
  timer.ArmAfter(absl::Seconds(8));
  clock_.Advance(absl::Seconds(12));
  Turn();
  Turn();
  EXPECT_EQ(fired, 0);
  EXPECT_THAT(stalls_, ElementsAre(absl::Seconds(12)));
  for (int i = 0; i < 100 && fired == 0; ++i) {
    clock_.Advance(absl::Milliseconds(100));
    Turn();
  }
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(clock_.Monotonic() - loop_->now(), absl::Seconds(12) - absl::Milliseconds(100));
  EXPECT_EQ(loop_->common_now(), clock_.Monotonic()) << "what loops share knows no stalls";
}

TEST_F(StallTest, ALoopThatIsLateAtEachTurnStillGetsToItsDeadlines) {
  int fired = 0;
  Timer timer(loop_.get(), [&fired] { ++fired; });
  timer.ArmAfter(absl::Seconds(1));
  for (int i = 0; i < 12; ++i) {
    clock_.Advance(absl::Seconds(2));
    Turn();
  }
  EXPECT_EQ(fired, 1);
}

TEST_F(StallTest, WhatHasComeMeanwhileIsReadBeforeATimerFires) {
  // Far more than one call of epoll tells of.
  std::vector<std::string> order;
  constexpr int kPeers = 200;
  std::vector<std::array<int, 2>> pairs(kPeers);
  std::vector<std::unique_ptr<FdEvent>> events;
  for (auto& pair : pairs) {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()), 0);
    events.push_back(std::make_unique<FdEvent>(loop_.get(), pair[0], [&order, fd = pair[0]] {
      char byte;
      EXPECT_EQ(read(fd, &byte, 1), 1);
      order.emplace_back("read");
    }));
    ASSERT_EQ(events.back()->Enable(), 0);
  }
  Timer timer(loop_.get(), [&order] { order.emplace_back("timer"); });
  timer.ArmAfter(absl::Milliseconds(50));  // less than a stall counts as
  for (auto& pair : pairs) ASSERT_EQ(write(pair[1], "x", 1), 1);
  clock_.Advance(absl::Seconds(12));
  Turn();
  ASSERT_EQ(order.size(), kPeers + 1u);
  EXPECT_EQ(order.back(), "timer");
  events.clear();
  for (auto& pair : pairs) {
    close(pair[0]);
    close(pair[1]);
  }
}

TEST_F(StallTest, SleepThatWasMeantIsNone) {
  const SystemClock clock;
  auto loop = *EventLoop::Create(&clock);
  int stalls = 0;
  loop->set_on_stall([&stalls](absl::Duration) { ++stalls; });
  Timer timer(
      loop.get(), [&loop] { loop->Stop(); }, Timer::Of::kService);
  timer.ArmAfter(absl::Milliseconds(700));
  loop->Run();
  EXPECT_EQ(stalls, 0);
}

// ---- A system that refuses.

TEST(FdEventTest, SaysWhenTheSystemRefusesAndWorksWhenItNoLongerDoes) {
  ManualClock clock;
  auto loop = *EventLoop::Create(&clock);
  std::array<int, 2> pair;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()), 0);
  int ready = 0;
  FdEvent event(loop.get(), pair[0], [&ready] { ++ready; });
  ASSERT_EQ(write(pair[1], "x", 1), 1);
  {
    const testing::NoWatches none;
    EXPECT_EQ(event.Enable(), ENOSPC);
    loop->Turn(/*wait=*/false);
    EXPECT_EQ(ready, 0);
  }
  EXPECT_EQ(event.Enable(), 0);
  loop->Turn(/*wait=*/false);
  EXPECT_EQ(ready, 1);
  event.Disable();
  close(pair[0]);
  close(pair[1]);
}

TEST(EventLoopTest, WithoutAWatchForItselfItIsNotMade) {
  const testing::NoWatches none;
  const SystemClock clock;
  const auto loop = EventLoop::Create(&clock);
  ASSERT_FALSE(loop.ok());
  EXPECT_THAT(std::string(loop.status().message()), HasSubstr("max_user_watches"));
}

TEST(EventLoopTest, TheEnvironmentCannotTakeEpollAway) {
  ASSERT_EQ(setenv("EVENT_NOEPOLL", "1", /*overwrite=*/1), 0);
  const SystemClock clock;
  EXPECT_TRUE(EventLoop::Create(&clock).ok());
  unsetenv("EVENT_NOEPOLL");
}

TEST(EventLoopTest, ItsLagIsTheTimeThatItWasBusy) {
  JumpingClock clock;
  const auto loop = *EventLoop::Create(&clock);
  loop->Turn(/*wait=*/false);
  const uint64_t looks = loop->lag().Take().count();
  EXPECT_GT(looks, 0u);
  EXPECT_EQ(loop->lag().Take().nanoseconds, 0u);
  loop->Post([&clock] { clock.now += absl::Milliseconds(30); });
  loop->Turn(/*wait=*/false);
  const DurationHistogram::Counts lag = loop->lag().Take();
  EXPECT_EQ(lag.nanoseconds, 30'000'000u);
  EXPECT_EQ(lag.buckets[4], 1u) << "of 10 to 50 ms";
}

}  // namespace
}  // namespace tlsbridge
