// What needs no signature of another thread never waits for one, and where both kinds can go on
// they go on by turns.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bridge/event/clock.h"
#include "gtest/gtest.h"
#include "router/handshakes/handshake_queue.h"

namespace tlsbridge {
namespace {

using Needs = HandshakeQueue::Needs;

class HandshakeFairness : public ::testing::Test {
 protected:
  struct Waiter final : HandshakeQueue::Waiter {
    explicit Waiter(std::function<void()> step) : step(std::move(step)) {}
    void TakeTurn() override { step(); }
    std::function<void()> step;
  };

  void SetUp() override { clock_.set_step(HandshakeQueue::kTimePerTurn); }  // one step a turn
  void TearDown() override {
    for (auto& waiter : waiters_) HandshakeQueue::Remove(waiter.get());
  }

  // Of the route that the name begins with. One that needs the signer leaves it a signature to
  // make.
  Waiter* Add(const std::string& name, Needs needs) {
    waiters_.push_back(std::make_unique<Waiter>([this, name, needs] {
      served_ += name + " ";
      if (needs == Needs::kSigner) --room_;
    }));
    queue_.Add(waiters_.back().get(), &routes_[static_cast<unsigned char>(name[0])], needs);
    return waiters_.back().get();
  }
  std::string Turn(int turns) {
    served_.clear();
    for (int i = 0; i < turns; ++i) loop_->Turn(/*wait=*/false);
    return served_;
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  int room_ = 0;
  HandshakeQueue queue_{loop_.get(), [this] { return room_ > 0; }};
  char routes_[256] = {};
  std::vector<std::unique_ptr<Waiter>> waiters_;
  std::string served_;
};

TEST_F(HandshakeFairness, WhileTheSignerIsFullAllOthersGoOn) {
  for (const char* name : {"r1", "r2", "r3"}) Add(name, Needs::kSigner);
  for (const char* name : {"e1", "e2", "e3"}) Add(name, Needs::kNothing);
  EXPECT_EQ(Turn(10), "e1 e2 e3 ");
  EXPECT_EQ(queue_.waiting(), 3u);
  room_ = 2;
  EXPECT_EQ(Turn(10), "r1 r2 ");
  room_ = 1;
  EXPECT_EQ(Turn(10), "r3 ");
}

TEST_F(HandshakeFairness, WhereBothCanGoOnTheyTakeTurns) {
  room_ = 100;
  for (const char* name : {"r1", "r2", "r3"}) Add(name, Needs::kSigner);
  for (const char* name : {"e1", "e2", "e3"}) Add(name, Needs::kNothing);
  EXPECT_EQ(Turn(6), "e1 r1 e2 r2 e3 r3 ");
}

TEST_F(HandshakeFairness, AStormThatNeedsNoSignerDoesNotKeepItIdle) {
  for (int i = 0; i < 50; ++i) Add("e", Needs::kNothing);
  for (const char* name : {"r1", "r2"}) Add(name, Needs::kSigner);
  Turn(10);
  room_ = 1;
  EXPECT_EQ(Turn(2), "r1 e ") << "as soon as it has room";
}

TEST_F(HandshakeFairness, RoutesTakeTurnsAtTheSigner) {
  for (int i = 0; i < 20; ++i) Add("storm", Needs::kSigner);
  Add("quiet", Needs::kSigner);
  room_ = 2;
  EXPECT_EQ(Turn(10), "storm quiet ");
}

TEST_F(HandshakeFairness, TheLoopRestsWhileNobodyCanGoOn) {
  Add("r1", Needs::kSigner);
  Turn(1);
  clock_.set_step(absl::ZeroDuration());
  // A turn that may sleep does, until it is woken: by what tells that there is room.
  bool woken = false;
  loop_->Post([this, &woken] {
    woken = true;
    room_ = 1;
  });
  loop_->Turn(/*wait=*/true);
  EXPECT_TRUE(woken);
  EXPECT_EQ(served_, "r1 ");
}

TEST_F(HandshakeFairness, AStepMayQueueAgainAndOthersMayLeaveInIt) {
  Waiter* leaver = nullptr;
  Waiter* self = nullptr;
  int steps = 0;
  waiters_.push_back(std::make_unique<Waiter>([&] {
    HandshakeQueue::Remove(leaver);
    if (++steps < 3) queue_.Add(self, &routes_[0], Needs::kNothing);
  }));
  self = waiters_.back().get();
  queue_.Add(self, &routes_[0], Needs::kNothing);
  leaver = Add("gone", Needs::kNothing);
  Add("b1", Needs::kNothing);
  EXPECT_EQ(Turn(10), "b1 ");
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(queue_.waiting(), 0u);
}

}  // namespace
}  // namespace tlsbridge
