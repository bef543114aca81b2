// A storm of handshakes: they queue, the first to come is served first, established traffic goes on
// between, and nobody who has gone is signed for.

#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class HandshakeQueueTest : public CloseMatrix {
 protected:
  // From now on a handshake uses up the time of its turn.
  void MakeHandshakesSlow() { clock_.set_step(HandshakeQueue::kTimePerTurn); }

  // `n` clients whose ClientHellos have been sent, in order, and are in the router's kernel.
  void BeginStorm(size_t n) {
    for (size_t i = 0; i < n; ++i) storm_.push_back(ConnectTls({.version = GetParam()}));
    for (auto& client : storm_) client->Step();
  }

  // One turn, and what it brings to the clients.
  void Turn() {
    loop_->Turn(/*wait=*/false);
    for (auto& client : storm_) client->Step();
  }

  // Turns until all of the storm are understood, and at most one is served. REQUIRES: 16 or fewer.
  void UnderstandAll() {
    const size_t others = client_ != nullptr ? 1 : 0;
    ASSERT_TRUE(Until([&] { return live_connections() == storm_.size() + others; }));
    loop_->Turn(/*wait=*/false);  // accepted in one turn, heard in the next
    ASSERT_GE(waiting(), storm_.size() - 1);
  }

  // How many clients are ready, since the backend has been dialled for each.
  size_t Ready() {
    while (auto dialled = backend_->Accept()) dialled_.push_back(std::move(dialled));
    return dialled_.size();
  }

  size_t waiting() const { return manager_->handshakes().waiting(); }
  uint64_t begun() const { return manager_->handshakes().begun(); }

  std::vector<std::unique_ptr<TlsPeer>> storm_;
  std::vector<std::unique_ptr<Peer>> dialled_;
};

TEST_P(HandshakeQueueTest, ATurnServesOneHandshakeThatUsesUpItsTime) {
  StartRouter();
  MakeHandshakesSlow();
  BeginStorm(8);
  uint64_t before = 0;
  for (int i = 0; i < 100 && begun() < 8; ++i) {
    Turn();
    ASSERT_LE(begun(), before + 1);
    before = begun();
  }
  EXPECT_EQ(begun(), 8u);
}

TEST_P(HandshakeQueueTest, ATurnServesAllWhileThereIsTime) {
  StartRouter();
  BeginStorm(8);
  ASSERT_TRUE(Until([this] { return live_connections() == 8; }));
  Settle();
  EXPECT_EQ(begun(), 8u);
  EXPECT_EQ(waiting(), 0u);
}

TEST_P(HandshakeQueueTest, WhoeverComesFirstIsServedFirst) {
  // Their later messages would come in the order in which they are stepped.
  if (!Tls13()) GTEST_SKIP() << "only in TLS 1.3 is the first step all that a client waits for";
  StartRouter();
  MakeHandshakesSlow();
  std::vector<size_t> served;
  std::vector<bool> done(6);
  for (size_t i = 0; i < done.size(); ++i) {
    storm_.push_back(ConnectTls({.version = GetParam()}));
    loop_->Turn(/*wait=*/false);  // accepted, and perhaps heard, before the next one comes
  }
  for (int i = 0; i < 1000 && served.size() < done.size(); ++i) {
    Turn();
    for (size_t j = 0; j < done.size(); ++j) {
      if (!done[j] && storm_[j]->handshake_done()) {
        done[j] = true;
        served.push_back(j);
      }
    }
  }
  EXPECT_EQ(served, (std::vector<size_t>{0, 1, 2, 3, 4, 5}));
}

TEST_P(HandshakeQueueTest, EstablishedTrafficGoesOnBetween) {
  StartRouter();
  ConnectThrough();
  MakeHandshakesSlow();
  BeginStorm(15);  // as many as a turn accepts, or fewer
  UnderstandAll();
  const uint64_t before = begun();
  client_->Send("ping");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "ping"; }));
  backend_peer_->Send("pong");
  ASSERT_TRUE(Until([this] { return client_->received() == "pong"; }));
  EXPECT_LE(begun(), before + 4) << "an echo needs a turn each way, not the whole storm";
  EXPECT_GT(waiting(), 8u);
}

TEST_P(HandshakeQueueTest, NobodyIsSignedForWhoHasGone) {
  StartRouter();
  MakeHandshakesSlow();
  BeginStorm(10);
  UnderstandAll();
  const uint64_t before = begun();
  for (size_t i = 0; i < storm_.size(); ++i) {
    if (i % 2 == 0) {
      storm_[i]->socket().Close();
    } else {
      storm_[i]->socket().Reset();
    }
  }
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  EXPECT_EQ(begun(), before);
  EXPECT_EQ(Ended(Reason::kTlsHandshakeFailed), 10u);
}

TEST_P(HandshakeQueueTest, ASecondHandshakeMessageWaitsInTheSameQueue) {
  StartRouter();
  MakeHandshakesSlow();
  BeginStorm(1);
  ASSERT_TRUE(Until([this] { return begun() == 1; }));
  storm_.front()->Step();  // what it answers has arrived, behind those that now come
  for (int i = 0; i < 5; ++i) storm_.push_back(ConnectTls({.version = GetParam()}));
  for (int i = 0; i < 200; ++i) {
    const size_t ready_before = Ready();
    const uint64_t begun_before = begun();
    Turn();
    ASSERT_LE((Ready() - ready_before) + (begun() - begun_before), 1u) << "one step a turn";
  }
  EXPECT_EQ(Ready(), 6u);
}

TEST_P(HandshakeQueueTest, TheHandshakeDeadlineEndsThoseThatWait) {
  StartRouter();
  MakeHandshakesSlow();
  BeginStorm(10);
  UnderstandAll();
  const uint64_t before = begun();
  clock_.Advance(route_.timeouts.handshake + absl::Seconds(1));
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(waiting(), 0u);
  EXPECT_EQ(begun(), before);
  storm_.clear();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  EXPECT_EQ(Ended(Reason::kHandshakeTimeout), 10u);
}

TEST_P(HandshakeQueueTest, ThoseThatWaitEndWithAllOthers) {
  StartRouter();
  MakeHandshakesSlow();
  BeginStorm(10);
  UnderstandAll();
  const uint64_t before = begun();
  manager_->BeginDrain();
  manager_->EndAll(Reason::kShutdown);
  EXPECT_EQ(waiting(), 0u);
  storm_.clear();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  EXPECT_EQ(begun(), before);
  EXPECT_EQ(Ended(Reason::kShutdown), 10u);
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(HandshakeQueueTest);

}  // namespace
}  // namespace tlsbridge::testing
