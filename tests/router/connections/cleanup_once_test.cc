// Every connection ends once, whatever happens in the same turn and whoever asks again.

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"
#include "tests/support/crowd.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class CleanupOnce : public CloseMatrix {
 protected:
  // The clock moves and the loop turns once, so that sockets and timers are served together.
  void OneTurn(absl::Duration later) {
    clock_.Advance(later);
    loop_->Turn(/*wait=*/false);
  }
};

TEST_P(CleanupOnce, AResetInTheTurnOfTheInactivityDeadlineIsOneEnd) {
  Connect();
  client_->socket().Reset();
  OneTurn(route_.timeouts.inactivity + absl::Hours(1));
  Settle();
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "ECONNRESET"));
}

TEST_P(CleanupOnce, AByteInTheTurnOfTheDeadlineKeepsTheConnection) {
  route_.timeouts.initial_data = absl::ZeroDuration();
  Connect();
  client_->Send("just in time");
  OneTurn(route_.timeouts.inactivity);
  Settle();
  EXPECT_EQ(live_connections(), 1u);
  EXPECT_EQ(backend_peer_->received(), "just in time");
}

TEST_P(CleanupOnce, PeersThatHangUpInTheTurnInWhichTheGraceEndsAreOneEnd) {
  Connect();
  manager_->EndAll(Reason::kAdmin);
  Settle();
  client_->socket().Reset();
  backend_peer_->Fin();
  OneTurn(route_.bridge.grace);
  ExpectEnd(EndedAs::Both(Reason::kAdmin));
}

TEST_P(CleanupOnce, TheHandshakesLastByteInTheTurnOfItsDeadlineIsOneEnd) {
  StartRouter();
  TlsPeer::Options options = Tls();
  options.allowance = 50;
  client_ = ConnectTls(options);
  ASSERT_TRUE(Until([this] { return live_connections() == 1; }));
  client_->Allow(1'000'000);
  OneTurn(route_.timeouts.handshake);
  Settle();
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Undialled(Reason::kHandshakeTimeout));
}

TEST_P(CleanupOnce, EndingEverythingFromInsideTheLastEndIsHarmless) {
  Connect();
  int emptied = 0;
  manager_->set_on_empty([this, &emptied] {
    ++emptied;
    manager_->EndAll(Reason::kShutdown);
    manager_->BeginDrain();
  });
  client_->socket().Reset();
  ASSERT_TRUE(AllEnded());
  Advance(absl::Hours(1));
  EXPECT_EQ(emptied, 1);
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "ECONNRESET"));
}

TEST_P(CleanupOnce, AManagerMayDieWithConnectionsInEveryState) {
  Connect();
  auto handshaking = ConnectTls({.version = GetParam(), .allowance = 50});
  auto half_closed = ConnectTls(Tls());
  half_closed->SendCloseNotify();
  auto resetting = ConnectTls(Tls());
  ASSERT_TRUE(Until([&] {
    half_closed->Step();
    resetting->Step();
    return half_closed->handshake_done() && resetting->handshake_done();
  }));
  Settle();
  ASSERT_EQ(live_connections(), 4u);
  resetting->socket().Reset();
  loop_->Turn(/*wait=*/false);
  acceptor_.reset();
  manager_.reset();
  EXPECT_EQ(loop_->connection_timers().armed(), 0u);
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
  Settle();
  EXPECT_EQ(memory_.live.records, 0);
  EXPECT_EQ(memory_.live.sockets, 0);
  EXPECT_EQ(admission_->connections(), 0);
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(CleanupOnce);

class EndAll : public CrowdFixture {};

TEST_F(EndAll, EndsConnectionsInEveryStateOnce) {
  route_.timeouts.initial_data = absl::ZeroDuration();
  StartRouter();
  ASSERT_TRUE(JoinMany(40));
  Settle();
  for (size_t i = 0; i < 10; ++i) clients_[i]->SendCloseNotify();  // half-closed
  for (size_t i = 10; i < 20; ++i) backend_peers_[i]->Fin();       // half-closed, or another one's
  std::vector<std::unique_ptr<TlsPeer>> handshaking;
  for (int i = 0; i < 10; ++i) handshaking.push_back(ConnectTls({.allowance = 77}));
  ASSERT_TRUE(Until([this] { return live_connections() == 50; }));
  Settle();
  const size_t ended_already = 50 - live_connections();
  for (size_t i = 30; i < 40; ++i) clients_[i]->socket().Reset();  // not yet noticed
  manager_->EndAll(Reason::kAdmin);
  manager_->EndAll(Reason::kShutdown);
  EXPECT_EQ(admission_->connections(), static_cast<int64_t>(live_connections()));
  Advance(route_.bridge.grace);
  EXPECT_EQ(live_connections(), 0u);
  EXPECT_EQ(Ended(Reason::kAdmin) + ended_already, 50u);
  EXPECT_EQ(Ended(Reason::kShutdown), 0u);
}

}  // namespace
}  // namespace tlsbridge::testing
