#include "bridge/event/event_loop.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/time/time.h"
#include "bridge/event/clock.h"
#include "bridge/event/timer.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

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

}  // namespace
}  // namespace tlsbridge
