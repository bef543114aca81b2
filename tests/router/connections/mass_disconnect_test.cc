// Thousands end at once: no queue, no lag, nothing left.

#include <string>

#include "gtest/gtest.h"
#include "tests/support/crowd.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

constexpr size_t kMany = 2000;

// A turn of the loop sees as many events as libevent asks the kernel for: 32 at first, twice as
// many after each turn that was full.
constexpr int kMostTurns = 40;

class MassDisconnect : public CrowdFixture {
 protected:
  void SetUp() override {
    CrowdFixture::SetUp();
    route_.bridge.tcp.keepalive_idle = absl::ZeroDuration();
    StartRouter();
    ASSERT_TRUE(JoinMany(kMany));
    Settle();
    ASSERT_EQ(live_connections(), kMany);
    ASSERT_EQ(manager_->live().records, static_cast<int64_t>(kMany));
    ASSERT_EQ(manager_->live().sockets, static_cast<int64_t>(2 * kMany));
    ASSERT_EQ(manager_->live_timers(), kMany);
  }

  void ExpectNothingLeft() {
    loop_->Turn(/*wait=*/false);
    EXPECT_EQ(manager_->live().records, 0);
    EXPECT_EQ(manager_->live().sockets, 0);
    EXPECT_EQ(manager_->live_timers(), 0u);
    EXPECT_EQ(admission_->connections(), 0);
  }
};

TEST_F(MassDisconnect, ClientsThatResetAreGoneWithinAFewTurnsAndNoTime) {
  for (auto& client : clients_) client->socket().Reset();
  EXPECT_LT(TurnsUntilEmpty(kMostTurns), kMostTurns);
  EXPECT_EQ(Ended(Reason::kEconnreset), kMany);
  ExpectNothingLeft();
}

TEST_F(MassDisconnect, BackendsThatResetTakeTheirConnectionsWithThem) {
  for (auto& peer : backend_peers_) peer->Reset();
  EXPECT_LT(TurnsUntilEmpty(kMostTurns), kMostTurns);
  EXPECT_EQ(Ended(Reason::kEconnreset), kMany);
  ExpectNothingLeft();
}

TEST_F(MassDisconnect, OrderlyEndsFromBothSidesAreGoneWithinAFewTurns) {
  for (auto& client : clients_) {
    client->SendCloseNotify();
    client->socket().Fin();
  }
  for (auto& peer : backend_peers_) peer->Fin();
  TurnsUntilEmpty(kMostTurns);
  // Of FINs that cross the kernel loses one now and then, and sends it again 200 ms later.
  EXPECT_LE(live_connections(), 2u);
  ASSERT_TRUE(UntilEmpty());
  EXPECT_EQ(Ended(Reason::kClosedIncoming) + Ended(Reason::kClosedOutgoing), kMany);
  ExpectNothingLeft();
}

TEST_F(MassDisconnect, PeersThatIgnoreTheEndAreDestroyedTogetherAfterTheGrace) {
  manager_->EndAll(Reason::kShutdown);
  for (int i = 0; i < kMostTurns; ++i) loop_->Turn(/*wait=*/false);
  EXPECT_EQ(live_connections(), kMany);
  clock_.Advance(route_.bridge.grace);
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(live_connections(), 0u);
  EXPECT_EQ(Ended(Reason::kShutdown), kMany);
  ExpectNothingLeft();
}

TEST_F(MassDisconnect, ADeadlineThatAllMeetAtOnceEndsAllOfThem) {
  clock_.Advance(route_.timeouts.initial_data);
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(manager_->live_timers(), kMany) << "each now has its grace";
  clock_.Advance(route_.bridge.grace);
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(Ended(Reason::kInitialTimeout), kMany);
  ExpectNothingLeft();
}

TEST_F(MassDisconnect, OnesThatComeMeanwhileAreServed) {
  for (auto& client : clients_) client->socket().Reset();
  clients_.clear();
  backend_peers_.clear();
  const size_t newcomers = 100;
  ASSERT_TRUE(ConnectMany(newcomers));
  ASSERT_TRUE(Until([this] { return live_connections() == newcomers; }));
  EXPECT_EQ(Ended(Reason::kEconnreset), kMany);
  for (auto& client : clients_) client->socket().Reset();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  ExpectNothingLeft();
}

}  // namespace
}  // namespace tlsbridge::testing
