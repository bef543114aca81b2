// A bridge without a router, on real sockets, and an observer that writes down what it is told.
//
// The clock moves only by Advance(). TearDown asserts that no socket and no timer is left.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "bridge/bridge.h"
#include "bridge/event/clock.h"
#include "bridge/event/hangup_watch.h"
#include "gtest/gtest.h"
#include "tests/support/peer.h"

namespace tlsbridge::testing {

inline constexpr Endings kPolite = {Ending::kGraceful, Ending::kGraceful};
inline constexpr Endings kReset = {Ending::kReset, Ending::kReset};

// Writes down what it is told, and does what the test has planned for that.
class Witness final : public Bridge::Observer {
 public:
  using Plan = absl::AnyInvocable<void()>;

  absl::Span<const uint8_t> OnFirstBytes(absl::Span<const uint8_t> bytes) override {
    first_bytes.push_back(bytes.size());
    return bytes;
  }
  void OnHandshakeInput() override {}
  void OnClientsTurn() override {}
  void OnClientReady() override { Note("ready", &on_ready); }
  void OnBackendConnected() override { Note("connected", &on_connected); }
  void OnFirstAnswer() override { ++first_answers; }
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
  std::vector<size_t> first_bytes;
  int first_answers = 0;
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
    ASSERT_NO_FATAL_FAILURE(Accept());
    bridge_->PassThrough();
    witness_.told.clear();
  }

  // A client, and the accepted end of its connection, which becomes the bridge's.
  void Accept() {
    ListeningPeer door;
    client_ = Peer::Connect(door.address());
    auto accepted = door.Accept();
    ASSERT_NE(accepted, nullptr);
    const int fd = dup(accepted->fd());
    fcntl(fd, F_SETFL, O_NONBLOCK);
    bridge_ = std::make_unique<Bridge>(fd, &options_, &witness_, loop_.get(), &memory_);
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

  // Until a paused side is watched over.
  void Settle() { Advance(HangupWatch::kSettle + absl::Milliseconds(1)); }

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
  BridgeOptions options_;
  Witness witness_;
  ListeningPeer backend_;
  std::unique_ptr<Peer> client_;
  std::unique_ptr<Peer> peer_;
  std::unique_ptr<Bridge> bridge_;
};

inline const SocketAddress kNobody = *SocketAddress::Parse("unix:/nonexistent/app.sock");

}  // namespace tlsbridge::testing
