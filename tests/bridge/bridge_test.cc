// The bridge without a router: what an observer may do inside each callback, and that every end
// comes once.

#include "bridge/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "bridge/event/clock.h"
#include "gtest/gtest.h"
#include "tests/support/peer.h"

namespace tlsbridge {
namespace {

using testing::BlackHole;
using testing::ListeningPeer;
using testing::Peer;
using testing::StreamEnd;

constexpr Endings kPolite = {Ending::kGraceful, Ending::kGraceful};
constexpr Endings kReset = {Ending::kReset, Ending::kReset};

// Writes down what it is told, and does what the test has planned for that.
class Witness final : public Bridge::Observer {
 public:
  using Plan = absl::AnyInvocable<void()>;

  absl::Span<const uint8_t> OnFirstBytes(absl::Span<const uint8_t> bytes) override { return bytes; }
  void OnHandshakeInput() override {}
  void OnClientReady() override { Note("ready", &on_ready); }
  void OnBackendConnected() override { Note("connected", &on_connected); }
  void OnConnectFailed(int error, const tls::Failure&) override {
    last_error = error;
    Note("connect_failed", &on_connect_failed);
  }
  void OnHalfClosed() override { Note("half_closed", &on_half_closed); }
  void OnEnded(const End& end) override {
    ended_as = end;
    Note("ended", &on_ended);
  }
  void OnClosed() override { Note("closed", &on_closed); }

  std::vector<std::string> told;
  int last_error = 0;
  End ended_as;
  Plan on_ready, on_connected, on_connect_failed, on_half_closed, on_ended, on_closed;

 private:
  void Note(const std::string& what, Plan* plan) {
    told.push_back(what);
    if (*plan) (*plan)();
  }
};

using Told = std::vector<std::string>;

class BridgeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    loop_ = *EventLoop::Create(&clock_);
    // A client, and the accepted end of its connection, which becomes the bridge's.
    ListeningPeer door;
    client_ = Peer::Connect(door.address());
    auto accepted = door.Accept();
    ASSERT_NE(accepted, nullptr);
    const int fd = dup(accepted->fd());
    fcntl(fd, F_SETFL, O_NONBLOCK);
    bridge_ = std::make_unique<Bridge>(fd, &options_, &witness_, loop_.get(), &memory_);
    bridge_->PassThrough();
    witness_.told.clear();
  }

  void TearDown() override {
    bridge_.reset();
    loop_->Turn(/*wait=*/false);
    EXPECT_EQ(memory_.live.sockets, 0);
    EXPECT_EQ(loop_->connection_timers().armed(), 0u);
  }

  void Turn(int turns = 20) {
    for (int i = 0; i < turns; ++i) {
      loop_->Turn(/*wait=*/false);
      client_->Step();
      if (peer_ == nullptr) peer_ = backend_.Accept();
      if (peer_ != nullptr) peer_->Step();
    }
  }

  void Advance(absl::Duration by) {
    clock_.Advance(by);
    Turn();
  }

  void Join() {
    bridge_->ConnectBackend({backend_.address()});
    Turn();
    ASSERT_NE(peer_, nullptr);
    ASSERT_EQ(bridge_->state(), BridgeState::kBridging);
  }

  Witness::Plan CleansUp(Endings endings) {
    return [this, endings] { bridge_->Cleanup(endings); };
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_;
  WorkerMemory memory_;
  Bridge::Options options_;
  Witness witness_;
  ListeningPeer backend_;
  std::unique_ptr<Peer> client_;
  std::unique_ptr<Peer> peer_;
  std::unique_ptr<Bridge> bridge_;
};

const SocketAddress kNobody = *SocketAddress::Parse("unix:/nonexistent/app.sock");

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
  EXPECT_TRUE(bridge_->closing_timer_armed());
  bridge_.reset();
  Advance(absl::Hours(1));
  EXPECT_EQ(witness_.told, Told({"connected"}));
}

}  // namespace
}  // namespace tlsbridge
