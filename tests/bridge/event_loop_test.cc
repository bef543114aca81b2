#include "bridge/event/event_loop.h"

#include <memory>

#include "absl/time/time.h"
#include "bridge/event/clock.h"
#include "bridge/event/timer.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

// Passes by itself as far as the loop knows, so that it asks libevent to be woken up; but not as
// fast as libevent's own clock.
class LateClock final : public Clock {
 public:
  absl::Time Monotonic() const override { return now_; }
  absl::Time Wall() const override { return now_; }
  bool runs_by_itself() const override { return true; }
  void Advance(absl::Duration by) { now_ += by; }

 private:
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
};

// A wake-up that is lost shows as a test that never ends.
TEST(EventLoopTest, IsWokenAgainWhenTheAlarmRangBeforeTheDeadline) {
  LateClock clock;
  auto loop = EventLoop::Create(&clock);
  ASSERT_TRUE(loop.ok()) << loop.status();
  bool fired = false;
  Timer timer(loop->get(), [&fired] { fired = true; });
  timer.ArmAfter(absl::Milliseconds(5));
  (*loop)->Turn(/*wait=*/true);
  EXPECT_FALSE(fired) << "5 ms have passed for libevent, none for the clock";
  (*loop)->Turn(/*wait=*/true);
  EXPECT_FALSE(fired);
  clock.Advance(absl::Milliseconds(4));
  (*loop)->Turn(/*wait=*/true);
  EXPECT_FALSE(fired);
  clock.Advance(absl::Milliseconds(1));
  (*loop)->Turn(/*wait=*/true);
  EXPECT_TRUE(fired);
}

}  // namespace
}  // namespace tlsbridge
