// A side whose reading is paused is not deaf: a reset is heard, on either side, whatever the
// backend is. And what came before it is still worth something.

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/bridge/bridge_fixture.h"

namespace tlsbridge::testing {
namespace {

enum class Backend { kTcp, kUnix };

class BridgePaused : public BridgeTest, public ::testing::WithParamInterface<Backend> {
 protected:
  void SetUp() override {
    BridgeTest::SetUp();
    ASSERT_NE(mkdtemp(folder_), nullptr);
    path_ = std::string(folder_) + "/app.sock";
    unix_backend_ = std::make_unique<ListeningPeer>(*SocketAddress::Parse("unix:" + path_));
    const bool is_unix = GetParam() == Backend::kUnix;
    bridge_->ConnectBackend({is_unix ? unix_backend_->address() : backend_.address()});
    for (int i = 0; i < 20; ++i) {
      loop_->Turn(/*wait=*/false);
      if (peer_ == nullptr) peer_ = is_unix ? unix_backend_->Accept() : backend_.Accept();
    }
    ASSERT_NE(peer_, nullptr);
    ASSERT_EQ(witness_.told, Told({"connected"}));
  }
  void TearDown() override {
    BridgeTest::TearDown();
    unlink(path_.c_str());
    rmdir(folder_);
  }

  bool ClientPaused() const { return bridge_->incoming().pauses() == Endpoint::kOtherSideFull; }
  bool BackendPaused() const { return bridge_->outgoing()->pauses() == Endpoint::kOtherSideFull; }

  // Until the one cannot send any more, since the other reads nothing.
  void StallBackend() {
    peer_->StallReading(true);
    client_->Send(std::string(20'000'000, 'q'));
    for (int i = 0; i < 1000 && !ClientPaused(); ++i) Turn(1);
    Turn(50);
    ASSERT_TRUE(ClientPaused());
    Settle();
  }
  void StallClient() {
    client_->StallReading(true);
    peer_->Send(std::string(20'000'000, 'a'));
    for (int i = 0; i < 1000 && !BackendPaused(); ++i) Turn(1);
    Turn(50);
    ASSERT_TRUE(BackendPaused());
    Settle();
  }
  // Lets time pass until then; some of it is the kernels'.
  void UntilEnded() {
    for (int i = 0; i < 100'000 && TimesTold("ended") == 0; ++i) Advance(absl::Milliseconds(1));
  }
  int64_t TimesTold(const std::string& what) const {
    return std::count(witness_.told.begin(), witness_.told.end(), what);
  }

  char folder_[32] = "/tmp/tlsbridge-XXXXXX";  // a socket's name must be short
  std::string path_;
  std::unique_ptr<ListeningPeer> unix_backend_;
};

TEST_P(BridgePaused, AClientsResetIsHeardAndItsRequestWaitsNoLongerThanItIsTaken) {
  StallBackend();
  client_->Reset();
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected", "half_closed"}));
  EXPECT_EQ(bridge_->state(), BridgeState::kHalfClosed);
  for (int i = 0; i < 25; ++i) Advance(absl::Milliseconds(100));
  ASSERT_EQ(witness_.told, Told({"connected", "half_closed", "ended"}));
  EXPECT_EQ(witness_.ended_as.reason, TerminationReason::kEconnreset);
  EXPECT_EQ(witness_.ended_as.error, ECONNRESET);
}

TEST_P(BridgePaused, NorDoesItWaitLongerWhereTheClientWasNotPaused) {
  peer_->StallReading(true);
  for (int i = 0; i < 10'000 && bridge_->outgoing()->undelivered_bytes() == 0; ++i) {
    client_->Send(std::string(16'384, 'q'));
    Turn(3);
    Settle();
  }
  ASSERT_GT(bridge_->outgoing()->undelivered_bytes(), 0U);
  ASSERT_FALSE(ClientPaused());
  client_->Reset();
  Turn();
  EXPECT_EQ(TimesTold("ended"), 0);
  for (int i = 0; i < 25; ++i) Advance(absl::Milliseconds(100));
  ASSERT_EQ(TimesTold("ended"), 1);
  EXPECT_EQ(witness_.ended_as.reason, TerminationReason::kEconnreset);
}

TEST_P(BridgePaused, ABackendThatGoesOnTakingItGetsAllOfACutRequest) {
  StallBackend();
  const size_t delivered =
      20'000'000 - client_->unsent() - static_cast<size_t>(std::max(client_->Unacknowledged(), 0));
  client_->Reset();
  Turn();
  peer_->StallReading(false);
  UntilEnded();
  EXPECT_GE(peer_->received().size(), delivered);
  EXPECT_EQ(TimesTold("ended"), 1);
  EXPECT_EQ(witness_.ended_as.reason, TerminationReason::kEconnreset);
  bridge_->Cleanup({Ending::kReset, Ending::kFlushReset});
  Turn();
}

TEST_P(BridgePaused, ABackendsResetIsHeardAndItsAnswerWaitsForTheClient) {
  StallClient();
  const size_t delivered =
      20'000'000 - peer_->unsent() -
      (GetParam() == Backend::kTcp ? static_cast<size_t>(peer_->Unacknowledged()) : 0);
  client_->Send("unread, so that closing is a reset of a UNIX socket, too");
  Turn();
  peer_->StallReading(true);
  client_->Send("and more");
  Turn();
  peer_->Reset();
  Turn();
  EXPECT_EQ(TimesTold("half_closed"), 1);
  for (int i = 0; i < 50; ++i) Advance(absl::Milliseconds(400));
  EXPECT_EQ(TimesTold("ended"), 0) << "an answer is worth waiting for";
  client_->StallReading(false);
  UntilEnded();
  EXPECT_EQ(TimesTold("ended"), 1);
  EXPECT_EQ(witness_.ended_as.reason, TerminationReason::kEconnreset);
  EXPECT_GE(client_->received().size(), delivered);
}

TEST_P(BridgePaused, ABackendThatShutsDownBehindTheClientsResetIsHalfClosedOnce) {
  StallBackend();
  client_->Reset();
  peer_->Fin();
  Turn();
  EXPECT_EQ(TimesTold("half_closed"), 1);
  EXPECT_EQ(bridge_->state(), BridgeState::kHalfClosed);
  EXPECT_EQ(TimesTold("ended"), 0);
}

TEST_P(BridgePaused, AFinIsNoHangup) {
  StallBackend();
  const std::string rest(client_->unsent(), 'q');
  client_->Fin();
  Turn();
  EXPECT_EQ(TimesTold("half_closed"), 0);
  peer_->StallReading(false);
  for (int i = 0; i < 20000 && peer_->end() == StreamEnd::kOpen; ++i) Turn(1);
  EXPECT_EQ(peer_->end(), StreamEnd::kFin);
  EXPECT_EQ(peer_->received().size(), 20'000'000u);
}

TEST_P(BridgePaused, AResetBehindAFinIsHeard) {
  client_->Fin();
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected", "half_closed"}));
  client_->Reset();
  Turn();
  UntilEnded();  // the backend's kernel has to acknowledge our FIN
  EXPECT_EQ(witness_.told, Told({"connected", "half_closed", "ended"}));
  EXPECT_EQ(witness_.ended_as.reason, TerminationReason::kEconnreset);
}

INSTANTIATE_TEST_SUITE_P(Backends, BridgePaused, ::testing::Values(Backend::kTcp, Backend::kUnix),
                         [](const auto& info) {
                           return info.param == Backend::kTcp ? "Tcp" : "Unix";
                         });

}  // namespace
}  // namespace tlsbridge::testing
