// A hand-over step by step: a child of the test's own, a clock that it turns.

#include "router/handover/handover.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bridge/event/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::HasSubstr;
using Kind = Packet::Kind;
using Step = HandoverStep;

constexpr std::array kAll = {Step::kIdle,       Step::kOffering, Step::kAwaiting, Step::kYielding,
                             Step::kConfirming, Step::kFailing,  Step::kDone};

TEST(HandoverStep, EachButTheLastCanFailAndOnlyTheLastIsForGood) {
  for (const Step step : kAll) {
    const bool may_fail = step != Step::kIdle && step != Step::kFailing && step != Step::kDone;
    EXPECT_EQ(MayFollow(step, Step::kFailing), may_fail) << static_cast<int>(step);
    bool leaves = false;
    for (const Step next : kAll) leaves = leaves || MayFollow(step, next);
    EXPECT_EQ(leaves, step != Step::kDone) << static_cast<int>(step);
  }
}

TEST(HandoverStep, NobodyStopsAcceptingBeforeTheOtherIsReady) {
  for (const Step step : kAll) {
    const bool yields = step == Step::kYielding || step == Step::kConfirming || step == Step::kDone;
    EXPECT_EQ(Accepts(step), !yields) << static_cast<int>(step);
  }
  EXPECT_TRUE(MayFollow(Step::kConfirming, Step::kDone));
  EXPECT_FALSE(MayFollow(Step::kAwaiting, Step::kDone));
}

class FakeChild final : public Child {
 public:
  struct State {
    bool killed = false;
    std::optional<std::string> end;
  };
  explicit FakeChild(State* state) : state_(state) {}
  pid_t pid() const override { return 4711; }
  void Kill() override {
    state_->killed = true;
    if (!state_->end) state_->end = "it was ended by SIGKILL";
  }
  std::optional<std::string> Reap() override { return state_->end; }

 private:
  State* const state_;
};

class HandoverTest : public ::testing::Test, protected Handover::Service {
 protected:
  Offer Collect() override {
    ++collected_;
    Offer offer;
    offer.state.generation = 2;
    for (const int fd : offered_) {
      offer.state.sockets.push_back(
          {InheritedSockets::Use::kListener, false, false, SocketAddress::LocalOf(fd)});
      offer.descriptors.push_back(fd);
    }
    return offer;
  }
  void Yield(absl::AnyInvocable<void()> done) override {
    accepts_ = false;
    yielded_ = std::move(done);
  }
  SecretBytes LastWords() override {
    EXPECT_FALSE(accepts_);
    SecretBytes words;
    words.Append(last_words_);
    return words;
  }
  void Resume() override {
    accepts_ = true;
    ++resumed_;
  }
  void Reclaim() override {
    EXPECT_TRUE(child_.end.has_value());
    ++reclaimed_;
  }
  void Leave(const std::vector<bool>& taken, pid_t successor) override {
    taken_ = taken;
    left_to_ = successor;
  }

  void TearDown() override {
    for (const int fd : offered_) close(fd);
  }
  void OfferSockets(int count) {
    for (int i = 0; i < count; ++i) {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const SocketAddress any = *SocketAddress::Parse("127.0.0.1:0");
      ASSERT_EQ(bind(fd, any.get(), any.length()), 0);
      offered_.push_back(fd);
    }
  }

  absl::StatusOr<std::unique_ptr<Child>> Launch(int fd) {
    if (!can_start_) return absl::UnavailableError("cannot start it");
    child_ = {};
    other_end_ = std::make_unique<Channel>(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return std::make_unique<FakeChild>(&child_);
  }
  void Begin() {
    handover_.Begin(absl::Seconds(30),
                    [this](const Handover::Outcome& outcome) { outcomes_.push_back(outcome); });
  }
  void Turn() {
    for (int i = 0; i < 3; ++i) loop_->Turn(/*wait=*/false);
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    Turn();
  }
  // What the successor takes in; whether it is whole.
  bool Receives() {
    StateReceiver receiver;
    for (int tries = 0; tries < 10000; ++tries) {
      auto received = other_end_->Receive();
      if (!received.ok()) {
        Turn();
        continue;
      }
      const auto whole = receiver.Take(*std::move(received));
      if (!whole.ok()) return false;
      if (!*whole) continue;
      const auto state = DecodeState(receiver.state().span());
      const std::vector<int> fds = receiver.TakeDescriptors();
      for (const int fd : fds) close(fd);
      return state.ok() && state->generation == 2 && fds.size() == offered_.size();
    }
    return false;
  }
  void Say(Kind kind) {
    Packet packet = {.kind = kind};
    if (kind == Kind::kReady) packet.taken.assign(offered_.size(), true);
    if (kind == Kind::kRefused) packet.reason = "bad file";
    (void)other_end_->Send(packet);
    Turn();
  }
  void SayYielded() {
    if (yielded_) std::exchange(yielded_, nullptr)();
    Turn();
  }
  void BeginUntilItYielded() {
    Begin();
    ASSERT_TRUE(Receives());
    Say(Kind::kReady);
    SayYielded();
  }
  std::string Outcome() {
    for (int i = 0; i < 100 && outcomes_.empty(); ++i) Advance(absl::Milliseconds(20));
    if (outcomes_.empty()) return "none";
    return outcomes_.back().status.ok() ? "done" : std::string(outcomes_.back().status.message());
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  bool can_start_ = true;
  FakeChild::State child_;
  std::unique_ptr<Channel> other_end_;
  std::vector<int> offered_;
  int collected_ = 0;
  int resumed_ = 0;
  int reclaimed_ = 0;
  bool accepts_ = true;
  std::vector<uint8_t> last_words_;
  absl::AnyInvocable<void()> yielded_;
  std::vector<bool> taken_;
  pid_t left_to_ = 0;
  std::vector<Handover::Outcome> outcomes_;
  Handover handover_{loop_.get(), this, [this](int fd) { return Launch(fd); }};
};

TEST_F(HandoverTest, GoesItsWayAndLeavesOnlyOnceTheOtherServes) {
  OfferSockets(3);
  Begin();
  ASSERT_TRUE(Receives());
  EXPECT_TRUE(accepts_);
  Say(Kind::kReady);
  EXPECT_FALSE(accepts_);
  EXPECT_TRUE(absl::IsUnavailable(other_end_->Receive().status())) << "not before it has yielded";
  SayYielded();
  EXPECT_EQ(other_end_->Receive()->packet.kind, Kind::kGo);
  EXPECT_EQ(left_to_, 0);
  Say(Kind::kServing);
  EXPECT_EQ(left_to_, 4711);
  EXPECT_EQ(Outcome(), "done");
  other_end_.reset();
  Turn();
  EXPECT_EQ(taken_, std::vector<bool>(3, true));
  EXPECT_FALSE(child_.killed);
  EXPECT_EQ(resumed_, 0);
  Begin();
  EXPECT_THAT(Outcome(), HasSubstr("handed over already"));
}

TEST_F(HandoverTest, WhatItKnowsAtTheLastGoesBeforeTheWordToGoOnHoweverMuchItIs) {
  last_words_.assign(1 << 20, 42);
  ASSERT_NO_FATAL_FAILURE(BeginUntilItYielded());
  StateReceiver receiver;
  for (bool whole = false; !whole;) {
    auto received = other_end_->Receive();
    if (received.ok()) {
      const auto taken = receiver.Take(*std::move(received));
      ASSERT_TRUE(taken.ok()) << taken.status();
      whole = *taken;
    }
    EXPECT_EQ(left_to_, 0);
    Turn();
  }
  EXPECT_EQ(receiver.state().span(), absl::MakeConstSpan(last_words_));
  EXPECT_EQ(other_end_->Receive()->packet.kind, Kind::kGo);
  Say(Kind::kServing);
  EXPECT_EQ(left_to_, 4711);
}

TEST_F(HandoverTest, OneThatDoesNotTakeInWhatIsKnownAtTheLastIsEnded) {
  last_words_.assign(1 << 20, 42);
  ASSERT_NO_FATAL_FAILURE(BeginUntilItYielded());
  Advance(Handover::kConfirmTime);
  EXPECT_TRUE(child_.killed);
  EXPECT_TRUE(accepts_);
}

TEST_F(HandoverTest, MoreSocketsThanADatagramHoldsGoInPieces) {
  OfferSockets(600);
  Begin();
  EXPECT_TRUE(Receives());
}

TEST_F(HandoverTest, OneThatCannotBeStartedChangesNothing) {
  can_start_ = false;
  Begin();
  EXPECT_EQ(Outcome(), "cannot start it");
  EXPECT_EQ(handover_.step(), Step::kIdle);
  EXPECT_EQ(collected_, 0);
  EXPECT_EQ(resumed_, 0);
}

TEST_F(HandoverTest, ASecondOneIsRefusedAndTheFirstGoesOn) {
  Begin();
  Begin();
  EXPECT_THAT(Outcome(), HasSubstr("another hand-over is in progress"));
  ASSERT_TRUE(Receives());
  Say(Kind::kReady);
  SayYielded();
  Say(Kind::kServing);
  EXPECT_EQ(left_to_, 4711);
}

TEST_F(HandoverTest, ASecondOneReclaimsNothingWhileTheFirstHasIt) {
  ASSERT_NO_FATAL_FAILURE(BeginUntilItYielded());
  Begin();
  EXPECT_THAT(Outcome(), HasSubstr("another hand-over is in progress"));
  EXPECT_FALSE(accepts_);
  EXPECT_EQ(reclaimed_, 0);
  Say(Kind::kServing);
  EXPECT_EQ(left_to_, 4711);
  EXPECT_EQ(reclaimed_, 0);
}

TEST_F(HandoverTest, ItsReasonIsTold) {
  Begin();
  ASSERT_TRUE(Receives());
  Say(Kind::kRefused);
  EXPECT_FALSE(child_.killed) << "it may end by itself";
  EXPECT_EQ(reclaimed_, 0);
  child_.end = "it ended with exit code 2";
  EXPECT_EQ(Outcome(), "bad file (it ended with exit code 2)");
  EXPECT_EQ(resumed_, 1);
  EXPECT_EQ(reclaimed_, 1);
}

TEST_F(HandoverTest, OneThatRefusesAndStaysIsKilled) {
  Begin();
  ASSERT_TRUE(Receives());
  Say(Kind::kRefused);
  Advance(Handover::kLastWordsTime);
  EXPECT_TRUE(child_.killed);
  EXPECT_THAT(Outcome(), HasSubstr("bad file"));
}

TEST_F(HandoverTest, ItsSilenceEndsIt) {
  Begin();
  ASSERT_TRUE(Receives());
  Advance(absl::Seconds(29));
  EXPECT_TRUE(outcomes_.empty());
  EXPECT_FALSE(child_.killed);
  Advance(absl::Seconds(1));
  EXPECT_TRUE(child_.killed);
  EXPECT_THAT(Outcome(), HasSubstr("was not ready within 30s"));
}

TEST_F(HandoverTest, OneThatDoesNotReadIsEndedToo) {
  OfferSockets(1);
  Begin();
  Advance(absl::Seconds(30));
  EXPECT_TRUE(child_.killed);
  EXPECT_EQ(resumed_, 1);
}

TEST_F(HandoverTest, OneThatIsToldToGoOnAndDoesNotIsKilledAndThisOneAcceptsAtOnce) {
  ASSERT_NO_FATAL_FAILURE(BeginUntilItYielded());
  Advance(Handover::kConfirmTime);
  EXPECT_TRUE(child_.killed);
  EXPECT_TRUE(accepts_);
  EXPECT_THAT(Outcome(), HasSubstr("was not ready within 5s"));
}

TEST_F(HandoverTest, ItsEndBetweenReadyAndServingLosesNobody) {
  ASSERT_NO_FATAL_FAILURE(BeginUntilItYielded());
  other_end_.reset();
  child_.end = "it was ended by SIGSEGV";
  Turn();
  EXPECT_TRUE(accepts_);
  EXPECT_THAT(Outcome(), HasSubstr("it was ended by SIGSEGV"));
}

TEST_F(HandoverTest, AnAcceptingThreadThatYieldsTooLateFindsTheNextAttemptUntouched) {
  Begin();
  ASSERT_TRUE(Receives());
  Say(Kind::kReady);
  absl::AnyInvocable<void()> late = std::move(yielded_);
  Advance(Handover::kConfirmTime);
  EXPECT_THAT(Outcome(), HasSubstr("was not ready"));
  Begin();
  ASSERT_TRUE(Receives());
  Say(Kind::kReady);
  late();
  EXPECT_EQ(handover_.step(), Step::kYielding);
  SayYielded();
  Say(Kind::kServing);
  EXPECT_EQ(left_to_, 4711);
}

TEST_F(HandoverTest, CalledOffItIsEnded) {
  Begin();
  ASSERT_TRUE(Receives());
  handover_.CallOff("told to stop");
  EXPECT_TRUE(child_.killed);
  EXPECT_THAT(Outcome(), HasSubstr("told to stop"));
}

// Whatever comes in whatever order: the process accepts unless another one serves or is about to,
// every hand-over has an outcome, and what is left behind is dead.
TEST_F(HandoverTest, AnyOrderOfWhatMayHappenLeavesSomebodyWhoAccepts) {
  std::minstd_rand random(1);
  OfferSockets(2);
  int begun = 0;
  for (int i = 0; i < 20000 && handover_.step() != Step::kDone; ++i) {
    switch (random() % 9) {
      case 0:
        if (!handover_.under_way()) ++begun;
        if (!handover_.under_way()) Begin();
        break;
      case 1:
        if (other_end_ != nullptr) Receives();
        break;
      case 2:
        if (other_end_ != nullptr) Say(Kind::kReady);
        break;
      case 3:
        SayYielded();
        break;
      case 4:
        // Seldom: it is the end.
        if (other_end_ != nullptr && random() % 50 == 0) Say(Kind::kServing);
        break;
      case 5:
        if (other_end_ != nullptr && random() % 4 == 0) Say(Kind::kRefused);
        break;
      case 6:
        if (random() % 4 == 0) child_.end = "it ended with exit code 0";
        break;
      case 7:
        if (random() % 4 == 0) other_end_.reset();
        break;
      default:
        Advance(absl::Milliseconds(random() % 8000));
        break;
    }
    Turn();
    if (handover_.step() == Step::kDone) {
      other_end_.reset();
      Turn();
    }
    EXPECT_EQ(accepts_, Accepts(handover_.step()));
    EXPECT_LE(outcomes_.size(), static_cast<size_t>(begun));
    EXPECT_GE(outcomes_.size() + 1, static_cast<size_t>(begun));
  }
  EXPECT_GT(begun, 50);
}

}  // namespace
}  // namespace tlsbridge
