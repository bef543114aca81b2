// A paused descriptor that is reset is told of; one that is closed before its watch began, never.

#include "bridge/event/hangup_watch.h"

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "gtest/gtest.h"
#include "tests/support/failing_system.h"

namespace tlsbridge {
namespace {

class Paused final : public HangupWatch::Listener {
 public:
  explicit Paused(HangupWatch* watch) : watch_(watch) {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds_), 0);
    watch_->Add(fds_[0], this);
  }
  ~Paused() {
    Close();
    HangUp();
  }

  void OnHangup() override {
    ++hangups;
    if (to_close != nullptr) to_close->Close();
  }
  void OnUnwatched(int error) override {
    unwatched = error;
    if (to_close != nullptr) to_close->Close();
  }

  void Close() {
    if (fds_[0] < 0) return;
    watch_->Remove(this);
    close(std::exchange(fds_[0], -1));
  }
  void HangUp() {
    if (fds_[1] >= 0) close(std::exchange(fds_[1], -1));
  }
  bool closed() const { return fds_[0] < 0; }

  int hangups = 0;
  int unwatched = 0;
  Paused* to_close = nullptr;

 private:
  HangupWatch* const watch_;
  int fds_[2] = {-1, -1};
};

class HangupWatchTest : public ::testing::Test {
 protected:
  std::unique_ptr<Paused> Pause() { return std::make_unique<Paused>(&loop_->hangups()); }
  void Settle() {
    clock_.Advance(HangupWatch::kSettle + absl::Milliseconds(1));
    for (int i = 0; i < 3; ++i) loop_->Turn(/*wait=*/false);
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
};

TEST_F(HangupWatchTest, TellsOfAHangupBeforeAndAfterTheWatchBegan) {
  const auto early = Pause();
  const auto late = Pause();
  early->HangUp();
  Settle();
  late->HangUp();
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(early->hangups, 1);
  EXPECT_EQ(late->hangups, 1);
}

TEST_F(HangupWatchTest, AsksTheKernelForNothingIfAllAreClosedSoon) {
  const testing::NoWatches none;
  std::vector<std::unique_ptr<Paused>> paused;
  for (int i = 0; i < 10; ++i) paused.push_back(Pause());
  for (const auto& one : paused) one->Close();
  Settle();
  EXPECT_EQ(none.refused(), 0);
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
}

TEST_F(HangupWatchTest, TellsWhomItCannotWatchAndGoesOnWithTheOthers) {
  const auto first = Pause();
  const auto second = Pause();
  {
    const testing::NoWatches none(1);
    Settle();
  }
  EXPECT_EQ((first->unwatched != 0) + (second->unwatched != 0), 1);
  first->HangUp();
  second->HangUp();
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(first->hangups + second->hangups, 1);
}

TEST_F(HangupWatchTest, WhoIsToldMayCloseAnotherThatWaits) {
  const testing::NoWatches none;
  const auto first = Pause();
  const auto second = Pause();
  first->to_close = second.get();
  second->to_close = first.get();
  Settle();
  EXPECT_EQ((first->unwatched != 0) + (second->unwatched != 0), 1);
  EXPECT_EQ(first->closed() + second->closed(), 1);
}

// Against the plain rule: told once, if it is open and has hung up.
TEST_F(HangupWatchTest, RandomSequencesKeepTheRule) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<std::unique_ptr<Paused>> paused;
    std::vector<int> expected;
    std::vector<bool> hung_up;
    for (int step = 0; step < 300; ++step) {
      const size_t one = paused.empty() ? 0 : random() % paused.size();
      switch (random() % 5) {
        case 0:
        case 1:
          paused.push_back(Pause());
          expected.push_back(0);
          hung_up.push_back(false);
          break;
        case 2:
          if (!paused.empty()) paused[one]->Close();
          break;
        case 3:
          if (!paused.empty()) {
            paused[one]->HangUp();
            hung_up[one] = true;
          }
          break;
        default:
          Settle();
          for (size_t i = 0; i < paused.size(); ++i) {
            if (hung_up[i] && !paused[i]->closed()) expected[i] = 1;
          }
      }
    }
    Settle();
    for (size_t i = 0; i < paused.size(); ++i) {
      if (hung_up[i] && !paused[i]->closed()) expected[i] = 1;
      // One that hung up after its watch began may have been told before it was closed.
      if (paused[i]->closed()) continue;
      EXPECT_EQ(paused[i]->hangups, expected[i]) << i;
    }
  }
}

}  // namespace
}  // namespace tlsbridge
