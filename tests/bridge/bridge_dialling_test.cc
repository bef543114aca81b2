// How a bridge comes by its backend: one way, with one address or many.

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/bridge/bridge_fixture.h"

namespace tlsbridge::testing {
namespace {

// Of one address, and of several of which the first is the one.
class BridgeDialling : public BridgeTest, public ::testing::WithParamInterface<size_t> {
 protected:
  void SetUp() override {
    BridgeTest::SetUp();
    ASSERT_NE(mkdtemp(folder_), nullptr);
    path_ = std::string(folder_) + "/app.sock";
    fickle_ = std::make_unique<ListeningPeer>(*SocketAddress::Parse("unix:" + path_));
  }
  void TearDown() override {
    BridgeTest::TearDown();
    unlink(path_.c_str());
    rmdir(folder_);
  }

  std::vector<SocketAddress> First(const SocketAddress& address) const {
    std::vector<SocketAddress> addresses = {address};
    addresses.resize(GetParam(), kNobody);
    return addresses;
  }

  char folder_[32] = "/tmp/tlsbridge-XXXXXX";  // a socket's name must be short
  std::string path_;
  std::unique_ptr<ListeningPeer> fickle_;
};

TEST_P(BridgeDialling, ABackendThatIsGoneAtTheFirstByteLeavesItToTheNext) {
  client_->Send("for whoever takes it");
  Turn();
  ASSERT_EQ(bridge_->queued_to_backend(), 20u);
  witness_.on_connect_failed = [this] { bridge_->ConnectBackend(First(backend_.address())); };
  bridge_->ConnectBackend(First(fickle_->address()));
  auto accepted = fickle_->Accept();
  ASSERT_NE(accepted, nullptr);
  accepted->Close();
  EXPECT_FALSE(bridge_->backend_connected());
  Turn();
  EXPECT_EQ(witness_.told, Told({"connect_failed", "connected"}));
  EXPECT_EQ(witness_.last_error, EPIPE);
  ASSERT_NE(peer_, nullptr);
  EXPECT_EQ(peer_->received(), "for whoever takes it");
}

TEST_P(BridgeDialling, WhatGoesAheadGoesAheadOfEachThatIsTried) {
  client_->Send("bytes");
  Turn();
  witness_.on_connect_failed = [this] {
    bridge_->ConnectBackend(First(backend_.address()), nullptr, "second ");
  };
  bridge_->ConnectBackend(First(fickle_->address()), nullptr, "first ");
  fickle_->Accept()->Close();
  Turn();
  ASSERT_NE(peer_, nullptr);
  EXPECT_EQ(peer_->received(), "second bytes");
}

TEST_P(BridgeDialling, IsGivenUpForTheNextWithNothingLost) {
  const BlackHole hole;
  client_->Send("patience");
  bridge_->ConnectBackend(First(hole.address()));
  Turn();
  EXPECT_EQ(bridge_->state(), BridgeState::kConnecting);
  witness_.on_connect_failed = [this] { bridge_->ConnectBackend(First(backend_.address())); };
  bridge_->AbandonBackend();
  Turn();
  EXPECT_EQ(witness_.told, Told({"connect_failed", "connected"}));
  EXPECT_EQ(witness_.last_error, ETIMEDOUT);
  ASSERT_NE(peer_, nullptr);
  EXPECT_EQ(peer_->received(), "patience");
}

TEST_P(BridgeDialling, AnEndMeanwhileStillLetsTheBackendHaveWhatCameBeforeIt) {
  client_->Send("last words");
  Turn();
  bridge_->ConnectBackend(First(backend_.address()));
  bridge_->Cleanup({Ending::kReset, Ending::kFlushReset});
  EXPECT_TRUE(witness_.told.empty());
  for (int i = 0; i < 10; ++i) Advance(absl::Milliseconds(2));
  EXPECT_EQ(witness_.told, Told({"closed"}));
  ASSERT_NE(peer_, nullptr);
  EXPECT_EQ(peer_->received(), "last words");
  EXPECT_EQ(peer_->end(), StreamEnd::kReset);
  EXPECT_EQ(bridge_->dropped_bytes(), 0u);
}

TEST_P(BridgeDialling, AnEndMeanwhileWaitsForNobodyLongerThanTheGrace) {
  const BlackHole hole;
  client_->Send("last words");
  Turn();
  bridge_->ConnectBackend(First(hole.address()));
  bridge_->Cleanup({Ending::kReset, Ending::kFlushReset});
  Advance(options_.grace - absl::Milliseconds(1));
  EXPECT_TRUE(witness_.told.empty());
  Advance(absl::Milliseconds(1));
  EXPECT_EQ(witness_.told, Told({"closed"}));
  EXPECT_EQ(bridge_->dropped_bytes(), 10u);
}

TEST_P(BridgeDialling, AStreamThatEndedEarlyIsToldWhenThereIsSomebodyToEndItTo) {
  client_->Send("all of it");
  client_->Fin();
  Turn();
  bridge_->ConnectBackend(First(backend_.address()));
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected", "half_closed"}));
  EXPECT_EQ(peer_->received(), "all of it");
  EXPECT_EQ(peer_->end(), StreamEnd::kFin);
}

INSTANTIATE_TEST_SUITE_P(Addresses, BridgeDialling, ::testing::Values(1, 3));

TEST_F(BridgeTest, TheAddressThatAnsweredIsKnown) {
  ListeningPeer refuses;
  refuses.Close();
  bridge_->ConnectBackend({kNobody, refuses.address(), backend_.address()});
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected"}));
  EXPECT_EQ(bridge_->answered(), 2u);
}

}  // namespace
}  // namespace tlsbridge::testing
