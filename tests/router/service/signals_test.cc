#include "router/service/signals.h"

#include <poll.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

class SignalsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Signals::TakeOver();
    loop_ = *EventLoop::Create(&clock_);
  }
  void Create() {
    auto signals = Signals::Create(loop_.get(), [this](int signal) { came_.push_back(signal); });
    ASSERT_TRUE(signals.ok()) << signals.status();
    signals_ = *std::move(signals);
  }
  // Until nobody has to take it any more.
  static bool Taken(int signal) {
    for (int i = 0; i < 10'000; ++i) {
      sigset_t waiting;
      sigpending(&waiting);
      if (sigismember(&waiting, signal) == 0) return true;
      poll(nullptr, 0, /*timeout=*/1);
    }
    return false;
  }
  void TurnUntil(size_t count) {
    for (int i = 0; i < 10'000 && came_.size() < count; ++i) {
      loop_->Turn(/*wait=*/false);
      poll(nullptr, 0, /*timeout=*/1);
    }
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Signals> signals_;
  std::vector<int> came_;
};

TEST_F(SignalsTest, TwoOfAKindInOneTurnOfTheLoopAreTwo) {
  Create();
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(kill(getpid(), SIGTERM), 0);
    ASSERT_TRUE(Taken(SIGTERM));
  }
  TurnUntil(2);
  EXPECT_EQ(came_, (std::vector<int>{SIGTERM, SIGTERM}));
}

TEST_F(SignalsTest, OneThatCameBeforeAnybodyListenedIsTaken) {
  ASSERT_EQ(kill(getpid(), SIGHUP), 0);
  Create();
  TurnUntil(1);
  EXPECT_EQ(came_, std::vector<int>{SIGHUP});
}

TEST_F(SignalsTest, OneThatTheLoopComesToAfterItsEndHarmsNobody) {
  Create();
  ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
  ASSERT_TRUE(Taken(SIGUSR1));
  signals_.reset();
  loop_->Turn(/*wait=*/false);
  EXPECT_TRUE(came_.empty());
}

}  // namespace
}  // namespace tlsbridge
