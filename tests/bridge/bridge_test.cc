// The bridge without a router: what an observer may do inside each callback, and that every end
// comes once.

#include <errno.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/bridge/bridge_fixture.h"
#include "tests/support/few_descriptors.h"

namespace tlsbridge::testing {
namespace {

// It may have to be kept until the handshake's turn.
TEST_F(BridgeTest, LittleIsReadAtATimeOfAClientThatIsNotUnderstoodYet) {
  Accept();
  client_->Send(std::string(20'000, 'x'));
  Turn();
  EXPECT_EQ(witness_.first_bytes, std::vector<size_t>({4096, 4096, 4096, 4096, 3616}));
  bridge_->Cleanup(kReset);
}

// ---- Past our memory.

std::string Pattern(size_t bytes) {
  std::string pattern(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<char>(i % 251 + i / 251);
  return pattern;
}

class BridgeMoves : public BridgeTest {
 protected:
  static constexpr size_t kMuch = 20'000'000;

  void TurnUntil(const Peer& peer, size_t received) {
    for (int i = 0; i < 5000 && peer.received().size() < received; ++i) Turn(1);
    Turn();
  }
};

TEST_F(BridgeMoves, MuchBothWaysArrivesWholeAndMostlyWithoutACopy) {
  Join();
  client_->Send(Pattern(kMuch));
  peer_->Send(Pattern(kMuch));
  TurnUntil(*peer_, kMuch);
  TurnUntil(*client_, kMuch);
  EXPECT_TRUE(peer_->received() == Pattern(kMuch));
  EXPECT_TRUE(client_->received() == Pattern(kMuch));
  EXPECT_EQ(bridge_->bytes_received(), kMuch);
  EXPECT_EQ(bridge_->bytes_sent(), kMuch);
  EXPECT_GT(memory_.pipe.moved_bytes(), kMuch / 2);
  client_->Fin();
  Turn();
  EXPECT_EQ(peer_->end(), StreamEnd::kFin);
}

TEST_F(BridgeMoves, LittleIsCopied) {
  Join();
  for (int i = 0; i < 100; ++i) {
    client_->Send("question");
    Turn(1);
  }
  EXPECT_EQ(memory_.pipe.moved_bytes(), 0u);
}

TEST_F(BridgeMoves, WhatASlowReaderDoesNotTakeIsBoundedAndKept) {
  Join();
  peer_->StallReading(true);
  client_->Send(Pattern(kMuch));
  for (int i = 0; i < 1000 && bridge_->incoming().pauses() == 0; ++i) Turn(1);
  Turn(50);
  EXPECT_EQ(bridge_->incoming().pauses(), Endpoint::kOtherSideFull);
  EXPECT_LE(bridge_->queued_to_backend(), 2 * Endpoint::kHighMarkOfBytes);
  peer_->StallReading(false);
  TurnUntil(*peer_, kMuch);
  EXPECT_TRUE(peer_->received() == Pattern(kMuch));
  EXPECT_GT(memory_.pipe.moved_bytes(), kMuch / 4);
}

// A socket that is spliced stops at such a byte, and stays readable.
TEST_F(BridgeMoves, AnUrgentByteAmidMuchHoldsUpNothing) {
  Join();
  const std::string half = Pattern(kMuch / 2);
  client_->Send(half);
  for (int i = 0; i < 5000 && client_->unsent() > 0; ++i) Turn(1);
  ASSERT_EQ(send(client_->fd(), "!", 1, MSG_OOB), 1);
  client_->Send(half);
  TurnUntil(*peer_, kMuch);
  EXPECT_TRUE(peer_->received() == half + half);
}

TEST_F(BridgeMoves, WithoutDescriptorsForAPipeEverythingIsCopied) {
  Join();
  {
    const FewDescriptors few(0);
    client_->Send(Pattern(kMuch));
    TurnUntil(*peer_, kMuch);
  }
  EXPECT_TRUE(peer_->received() == Pattern(kMuch));
  EXPECT_EQ(memory_.pipe.moved_bytes(), 0u);
  client_->Send(Pattern(kMuch));
  TurnUntil(*peer_, 2 * kMuch);
  EXPECT_TRUE(peer_->received() == Pattern(kMuch) + Pattern(kMuch));
  EXPECT_GT(memory_.pipe.moved_bytes(), 0u);
}

// ---- Once only.

TEST_F(BridgeTest, OfTwoCleanupsTheFirstWins) {
  Join();
  bridge_->Cleanup(kPolite);
  bridge_->Cleanup(kReset);
  Turn();
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  EXPECT_EQ(peer_->end(), StreamEnd::kFin);
  client_->Fin();
  peer_->Fin();
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected", "closed"}));
  bridge_->Cleanup(kReset);
  Advance(absl::Hours(1));
  EXPECT_EQ(witness_.told.size(), 2u);
}

TEST_F(BridgeTest, AnEndIsReportedOnceThoughBothPeersFailInOneTurn) {
  Join();
  client_->Reset();
  peer_->Reset();
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected", "ended"}));
  EXPECT_EQ(witness_.ended_as.reason, TerminationReason::kEconnreset);
  Advance(absl::Hours(1));
  EXPECT_EQ(witness_.told.size(), 2u) << "until its owner says how it shall end";
  bridge_->Cleanup(kReset);
  EXPECT_EQ(witness_.told.back(), "closed");
}

TEST_F(BridgeTest, AfterItsEndNothingMovesAndNothingIsTold) {
  Join();
  client_->Reset();
  Turn();
  peer_->Send("nobody listens");
  peer_->Fin();
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected", "ended"}));
  EXPECT_EQ(bridge_->bytes_sent(), 0u);
  bridge_->Cleanup(kPolite);
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected", "ended", "closed"}));
}

TEST_F(BridgeTest, DiallingAfterCleanupDoesNothing) {
  bridge_->Cleanup(kReset);
  bridge_->ConnectBackend({backend_.address()});
  Turn();
  EXPECT_EQ(witness_.told, Told({"closed"}));
  EXPECT_EQ(peer_, nullptr);
}

// ---- Cleanup inside each callback.

TEST_F(BridgeTest, CleanupInsideOnBackendConnected) {
  witness_.on_connected = CleansUp(kReset);
  bridge_->ConnectBackend({backend_.address()});
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected", "closed"}));
}

TEST_F(BridgeTest, CleanupInsideOnConnectFailed) {
  witness_.on_connect_failed = CleansUp(kPolite);
  backend_.Close();
  client_->Send("early");
  bridge_->ConnectBackend({backend_.address()});
  client_->Fin();
  Turn();
  EXPECT_EQ(witness_.told.back(), "closed");
  EXPECT_EQ(witness_.last_error, ECONNREFUSED);
}

TEST_F(BridgeTest, CleanupInsideOnHalfClosed) {
  Join();
  witness_.on_half_closed = CleansUp(kReset);
  client_->Send("x");
  client_->Fin();
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected", "half_closed", "closed"}));
}

TEST_F(BridgeTest, CleanupInsideOnEnded) {
  Join();
  witness_.on_ended = CleansUp({Ending::kFlushReset, Ending::kFlushReset});
  peer_->Send("last");
  peer_->Reset();
  Turn();
  Advance(absl::Milliseconds(5));
  EXPECT_EQ(witness_.told, Told({"connected", "ended", "closed"}));
  EXPECT_EQ(client_->received(), "last");
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
}

TEST_F(BridgeTest, CleanupInsideOnClosedIsTooLateAndHarmless) {
  Join();
  witness_.on_closed = CleansUp(kReset);
  bridge_->Cleanup(kReset);
  EXPECT_EQ(witness_.told, Told({"connected", "closed"}));
}

// ---- Another backend, dialled inside the callback that tells of the first one's failure.

TEST_F(BridgeTest, AnotherBackendMayBeDialledWhenOneRefuses) {
  ListeningPeer refuses;
  refuses.Close();
  witness_.on_connect_failed = [this] { bridge_->ConnectBackend({backend_.address()}); };
  client_->Send("for whoever answers");
  bridge_->ConnectBackend({refuses.address()});
  Turn();
  EXPECT_EQ(witness_.told, Told({"connect_failed", "connected"}));
  ASSERT_NE(peer_, nullptr);
  EXPECT_EQ(peer_->received(), "for whoever answers");
  peer_->Send("answer");
  Turn();
  EXPECT_EQ(client_->received(), "answer");
}

TEST_F(BridgeTest, BackendsThatFailAtOnceMayBeFollowedByMoreOfThem) {
  int tries = 0;
  witness_.on_connect_failed = [this, &tries] {
    bridge_->ConnectBackend({++tries < 5 ? kNobody : backend_.address()});
  };
  client_->Send("patience");
  bridge_->ConnectBackend({kNobody});
  EXPECT_TRUE(witness_.told.empty()) << "never from inside the call that began it";
  Turn();
  EXPECT_EQ(tries, 5);
  EXPECT_EQ(witness_.last_error, ENOENT);
  ASSERT_NE(peer_, nullptr);
  EXPECT_EQ(peer_->received(), "patience");
}

TEST_F(BridgeTest, AHalfCloseBeforeTheBackendIsKnownReachesTheOneThatAnswers) {
  witness_.on_connect_failed = [this] { bridge_->ConnectBackend({backend_.address()}); };
  client_->Send("all of it");
  client_->Fin();
  Turn();
  bridge_->ConnectBackend({kNobody});
  Turn();
  ASSERT_NE(peer_, nullptr);
  EXPECT_EQ(peer_->received(), "all of it");
  EXPECT_EQ(peer_->end(), StreamEnd::kFin);
  EXPECT_EQ(bridge_->state(), BridgeState::kHalfClosed);
}

// ---- Destroyed with work pending: nothing is called afterwards, nothing is left open.

TEST_F(BridgeTest, DestroyedWhileDialling) {
  const BlackHole hole;
  bridge_->ConnectBackend({hole.address()});
  Turn();
  bridge_.reset();
  Turn();
  EXPECT_TRUE(witness_.told.empty());
}

TEST_F(BridgeTest, DestroyedBeforeAFailedDialIsReported) {
  bridge_->ConnectBackend({kNobody});
  bridge_.reset();
  Turn();
  EXPECT_TRUE(witness_.told.empty());
}

TEST_F(BridgeTest, DestroyedWithBytesQueuedBothWays) {
  Join();
  client_->StallReading(true);
  peer_->StallReading(true);
  client_->Send(std::string(20'000'000, 'c'));
  peer_->Send(std::string(20'000'000, 'b'));
  while (bridge_->queued_to_client() == 0 || bridge_->queued_to_backend() == 0) Turn();
  bridge_.reset();
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected"}));
}

TEST_F(BridgeTest, DestroyedWhileItsSocketsAreBeingClosed) {
  Join();
  bridge_->Cleanup(kPolite);
  Turn();
  EXPECT_LT(bridge_->closing_deadline(), absl::InfiniteFuture());
  bridge_.reset();
  Advance(absl::Hours(1));
  EXPECT_EQ(witness_.told, Told({"connected"}));
}

}  // namespace
}  // namespace tlsbridge::testing
