#include "bridge/event/timer_wheel.h"

#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

class TestEntry : public TimerWheel::Entry {
 public:
  explicit TestEntry(absl::AnyInvocable<void()> on_expiry) : on_expiry_(std::move(on_expiry)) {}

 private:
  void Expire() override { on_expiry_(); }
  absl::AnyInvocable<void()> on_expiry_;
};

class TimerWheelTest : public ::testing::Test {
 protected:
  std::unique_ptr<TestEntry> Counter(int* count) {
    return std::make_unique<TestEntry>([count] { ++*count; });
  }
  void Advance(absl::Duration by) { wheel_.Advance(now_ += by); }

  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  TimerWheel wheel_{now_};
};

TEST_F(TimerWheelTest, FiresOnceWhenDueAndNotBefore) {
  int fired = 0;
  auto entry = Counter(&fired);
  wheel_.Arm(entry.get(), now_ + absl::Seconds(10));
  Advance(absl::Seconds(10) - absl::Milliseconds(1));
  EXPECT_EQ(fired, 0);
  EXPECT_TRUE(entry->armed());
  Advance(absl::Milliseconds(1));
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(entry->armed());
  Advance(absl::Hours(100));
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerWheelTest, AFractionOfAMillisecondIsNeverRoundedDown) {
  int fired = 0;
  auto entry = Counter(&fired);
  wheel_.Arm(entry.get(), now_ + absl::Microseconds(1500));
  Advance(absl::Milliseconds(1));
  EXPECT_EQ(fired, 0);
  Advance(absl::Milliseconds(1));
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerWheelTest, ADeadlineInThePastFiresAtTheNextAdvance) {
  int fired = 0;
  auto entry = Counter(&fired);
  wheel_.Arm(entry.get(), now_ - absl::Hours(5));
  EXPECT_EQ(wheel_.NextWakeUp(), now_);
  wheel_.Advance(now_);
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerWheelTest, AnEntryThatArmsItselfForNowDoesNotKeepAdvanceFromReturning) {
  int fired = 0;
  TestEntry* self = nullptr;
  TestEntry entry([&] {
    ++fired;
    wheel_.Arm(self, now_);
  });
  self = &entry;
  wheel_.Arm(&entry, now_);
  wheel_.Advance(now_);
  EXPECT_EQ(fired, 1);
  wheel_.Advance(now_);
  EXPECT_EQ(fired, 2);
}

TEST_F(TimerWheelTest, RearmingInACallbackMeetsTheNewDeadline) {
  int fired = 0;
  TestEntry* self = nullptr;
  TestEntry entry([&] {
    if (++fired == 1) wheel_.Arm(self, now_ + absl::Seconds(1));
  });
  self = &entry;
  wheel_.Arm(&entry, now_ + absl::Seconds(10));
  Advance(absl::Minutes(10) - absl::Seconds(1));
  EXPECT_EQ(fired, 1);
  Advance(absl::Seconds(1));
  EXPECT_EQ(fired, 2);
}

TEST_F(TimerWheelTest, CancelledAndDestroyedEntriesDoNotFire) {
  int fired = 0;
  auto cancelled = Counter(&fired);
  auto destroyed = Counter(&fired);
  wheel_.Arm(cancelled.get(), now_ + absl::Seconds(1));
  wheel_.Arm(destroyed.get(), now_ + absl::Seconds(1));
  EXPECT_EQ(wheel_.armed(), 2u);
  cancelled->Cancel();
  destroyed.reset();
  EXPECT_EQ(wheel_.armed(), 0u);
  Advance(absl::Hours(1));
  EXPECT_EQ(fired, 0);
}

TEST_F(TimerWheelTest, AnEntryMayDestroyItselfAndAnotherThatIsDueWithIt) {
  std::unique_ptr<TestEntry> first, second;
  int fired = 0;
  const auto destroy_both = [&] {
    ++fired;
    std::unique_ptr<TestEntry> a = std::move(first), b = std::move(second);
  };
  first = std::make_unique<TestEntry>(destroy_both);
  second = std::make_unique<TestEntry>(destroy_both);
  wheel_.Arm(first.get(), now_ + absl::Seconds(1));
  wheel_.Arm(second.get(), now_ + absl::Seconds(1));
  Advance(absl::Seconds(1));
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerWheelTest, AnIdleWheelHasNoWakeUp) {
  EXPECT_EQ(wheel_.NextWakeUp(), std::nullopt);
  int fired = 0;
  auto entry = Counter(&fired);
  wheel_.Arm(entry.get(), now_ + absl::Hours(4));
  ASSERT_TRUE(wheel_.NextWakeUp().has_value());
  EXPECT_LE(*wheel_.NextWakeUp(), now_ + absl::Hours(4));
  entry->Cancel();
  EXPECT_EQ(wheel_.NextWakeUp(), std::nullopt);
}

TEST_F(TimerWheelTest, WakingOnlyWhenToldMeetsEveryDeadlineWithFewWakeUps) {
  int fired = 0;
  auto entry = Counter(&fired);
  const absl::Time deadline = now_ + absl::Hours(24);
  wheel_.Arm(entry.get(), deadline);
  int wake_ups = 0;
  while (fired == 0) {
    now_ = *wheel_.NextWakeUp();
    ASSERT_LE(now_, deadline);
    wheel_.Advance(now_);
    ASSERT_LT(++wake_ups, 10);
  }
  EXPECT_EQ(now_, deadline);
}

// Against the obvious implementation: a sorted set of deadlines.
TEST_F(TimerWheelTest, AgreesWithASortedSetOverARandomWalk) {
  std::mt19937_64 random(20260701);
  std::set<std::pair<absl::Time, int>> model;
  std::map<int, absl::Time> deadlines;
  std::vector<std::unique_ptr<TestEntry>> entries;
  std::set<int> fired;
  entries.reserve(300);
  for (int i = 0; i < 300; ++i) {
    entries.push_back(std::make_unique<TestEntry>([&fired, i] { fired.insert(i); }));
  }
  const auto forget = [&](int i) {
    if (deadlines.count(i) > 0) model.erase({deadlines[i], i});
    deadlines.erase(i);
  };
  for (int step = 0; step < 20'000; ++step) {
    const int i = static_cast<int>(random() % entries.size());
    switch (random() % 4) {
      case 0:
      case 1: {
        // From milliseconds to days, so that every level is used.
        const absl::Duration delay = absl::Milliseconds(1 + (random() >> (33 + random() % 30)));
        forget(i);
        wheel_.Arm(entries[i].get(), now_ + delay);
        model.insert({now_ + delay, i});
        deadlines[i] = now_ + delay;
        break;
      }
      case 2:
        entries[i]->Cancel();
        forget(i);
        break;
      case 3: {
        fired.clear();
        Advance(absl::Milliseconds(random() >> (40 + random() % 24)));
        std::set<int> expected;
        while (!model.empty() && model.begin()->first <= now_) {
          expected.insert(model.begin()->second);
          forget(model.begin()->second);
        }
        ASSERT_EQ(fired, expected) << "at step " << step;
        break;
      }
    }
    ASSERT_EQ(wheel_.armed(), model.size());
  }
}

}  // namespace
}  // namespace tlsbridge
