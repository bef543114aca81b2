// Where the kernel refuses to watch over a socket, whenever that is, the bridge ends and says why.
// It never waits for what it will not be told.

#include <errno.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "tests/bridge/bridge_fixture.h"
#include "tests/support/failing_system.h"

namespace tlsbridge::testing {
namespace {

constexpr size_t kMuch = 20'000'000;

// The same place by another name, whose connections are waited for: those to an address on loopback
// stand at once.
SocketAddress Slowly(const SocketAddress& address) {
  return *SocketAddress::Parse("0.0.0.0:" + std::to_string(address.port()));
}

enum class Moment { kPausing, kResuming, kFirstQueued };
enum class Refusals { kOne, kAll };

class BridgeWatches : public BridgeTest {
 protected:
  void SetUp() override {
    BridgeTest::SetUp();
    witness_.on_ended = CleansUp(kReset);
  }

  Peer& PeerOf(Side side) { return side == Side::kIncoming ? *client_ : *peer_; }
  const Endpoint& EndpointOf(Side side) const {
    return side == Side::kIncoming ? bridge_->incoming() : *bridge_->outgoing();
  }
  bool Ended() const {
    return std::count(witness_.told.begin(), witness_.told.end(), "ended") != 0;
  }

  // Until the bridge has ended, or would have.
  void Flood(Side from) {
    PeerOf(Other(from)).StallReading(true);
    PeerOf(from).Send(std::string(kMuch, 'x'));
    for (int i = 0; i < 1000 && !Ended() && EndpointOf(from).pauses() == 0; ++i) Turn(1);
    Turn(50);
  }
};

class BridgeWatchesOf : public BridgeWatches,
                        public ::testing::WithParamInterface<std::tuple<Side, Moment, Refusals>> {};

TEST_P(BridgeWatchesOf, AreRefusedAndTheBridgeEndsAndSaysWhy) {
  const auto [side, moment, refusals] = GetParam();
  Join();
  if (moment != Moment::kPausing) {
    Flood(side);
    ASSERT_EQ(EndpointOf(side).pauses(), Endpoint::kOtherSideFull);
    ASSERT_FALSE(Ended());
  }
  const NoWatches none(refusals == Refusals::kOne ? 1 : 1000);
  if (moment == Moment::kResuming) {
    PeerOf(Other(side)).StallReading(false);
    for (int i = 0; i < 1000 && !Ended(); ++i) Turn(1);
  } else {
    // What is queued for a paused side makes the kernel watch it anew.
    Flood(moment == Moment::kPausing ? side : Other(side));
    Settle();
  }
  EXPECT_GE(none.refused(), 1);
  ASSERT_EQ(witness_.told, Told({"connected", "ended", "closed"}));
  EXPECT_EQ(witness_.ended_as.error, ENOSPC);
  EXPECT_EQ(witness_.ended_as.reason, ReasonForErrno(side, ENOSPC));
  for (Peer* peer : {client_.get(), peer_.get()}) peer->StallReading(false);
  Turn();
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  EXPECT_EQ(peer_->end(), StreamEnd::kReset);
}

std::string NameOf(const ::testing::TestParamInfo<BridgeWatchesOf::ParamType>& info) {
  const auto [side, moment, refusals] = info.param;
  const char* const moments[] = {"Pausing", "Resuming", "FirstQueued"};
  return std::string(side == Side::kIncoming ? "Client" : "Backend") +
         moments[static_cast<int>(moment)] + (refusals == Refusals::kOne ? "Once" : "Always");
}

INSTANTIATE_TEST_SUITE_P(Moments, BridgeWatchesOf,
                         ::testing::Combine(::testing::Values(Side::kIncoming, Side::kOutgoing),
                                            ::testing::Values(Moment::kPausing, Moment::kResuming,
                                                              Moment::kFirstQueued),
                                            ::testing::Values(Refusals::kOne, Refusals::kAll)),
                         &NameOf);

TEST_F(BridgeWatches, OfANewClientAreRefused) {
  ListeningPeer door;
  const auto client = Peer::Connect(door.address());
  const auto accepted = door.Accept();
  ASSERT_NE(accepted, nullptr);
  const NoWatches none;
  Witness witness;
  Bridge bridge(dup(accepted->fd()), &options_, &witness, loop_.get(), &memory_);
  EXPECT_EQ(bridge.error(), ENOSPC);
  bridge.Cleanup(kReset);
  EXPECT_EQ(witness.told, Told({"closed"}));
}

TEST_F(BridgeWatches, OfAnAttemptAreRefused) {
  const NoWatches none;
  bridge_->ConnectBackend({Slowly(backend_.address())});
  Turn();
  EXPECT_EQ(witness_.told, Told({"connect_failed"}));
  EXPECT_EQ(witness_.last_error, ENOSPC);
}

TEST_F(BridgeWatches, OfAllAttemptsAreRefused) {
  const NoWatches none;
  const SocketAddress address = Slowly(backend_.address());
  bridge_->ConnectBackend({address, address, address});
  Turn();
  EXPECT_EQ(witness_.told, Told({"connect_failed"}));
  EXPECT_EQ(witness_.last_error, ENOSPC);
}

TEST_F(BridgeWatches, OfOneAttemptAreRefusedAndTheNextIsMade) {
  const NoWatches none(1);
  bridge_->ConnectBackend({Slowly(backend_.address()), backend_.address()});
  Turn();
  EXPECT_EQ(witness_.told, Told({"connected"}));
  EXPECT_EQ(bridge_->answered(), 1u);
}

TEST_F(BridgeWatches, OfABackendThatHasAnsweredAreRefused) {
  bridge_->ConnectBackend({backend_.address()});
  const NoWatches none;
  Turn();
  EXPECT_EQ(witness_.told, Told({"connect_failed"}));
  EXPECT_EQ(witness_.last_error, ENOSPC);
}

}  // namespace
}  // namespace tlsbridge::testing
