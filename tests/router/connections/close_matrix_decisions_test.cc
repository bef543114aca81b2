// The close matrix: we decide. Shutdown, the operator, and limits.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class CloseMatrixDecisions : public CloseMatrix {
 protected:
  void ExpectPoliteEnd() {
    ASSERT_TRUE(ClientEnded());
    EXPECT_TRUE(client_->close_notify_received());
    EXPECT_EQ(client_->end(), StreamEnd::kFin);
    ASSERT_TRUE(BackendEnded());
    EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
  }

  // A second client is refused for `reason` at once; the first one is not disturbed.
  void ExpectRefused(Reason reason) {
    const size_t before = live_connections();
    auto refused = ConnectTls(Tls());
    ASSERT_TRUE(Until([&refused] {
      refused->Step();
      return refused->end() != StreamEnd::kOpen;
    }));
    EXPECT_FALSE(refused->handshake_done());
    Advance(route_.bridge.grace);  // for one that read why
    EXPECT_EQ(live_connections(), before);
    EXPECT_FALSE(BackendWasDialled());
    EXPECT_EQ(Ended(reason), 1u);
    EXPECT_EQ(EndedSide(Side::kIncoming, reason), 1u);
    EXPECT_EQ(EndedSide(Side::kOutgoing, reason), 0u);
    const auto ends = log_.Events("connection_end");
    ASSERT_EQ(ends.size(), 1u);
    EXPECT_EQ(ends[0].value("reason", ""), std::string(TerminationReasonName(reason)));
    EXPECT_EQ(ends[0].value("outgoing", ""), "none");
    client_->Send("undisturbed");
    EXPECT_TRUE(Until([this] { return backend_peer_->received() == "undisturbed"; }));
  }

  // When the first one has gone, there is room again.
  void ExpectRoomAfterwards() {
    ASSERT_TRUE(BothHangUp());
    auto next = ConnectTls(Tls());
    EXPECT_TRUE(Until([&next] {
      next->Step();
      return next->handshake_done();
    }));
  }
};

// What half-closed connections do, which TLS 1.2 does not know.
class CloseMatrixDecisionsHalfClosed : public CloseMatrixDecisions {};

// ---- Shutdown and the operator.

TEST_P(CloseMatrixDecisions, ShutdownEndsAnIdleConnectionPolitely) {
  Connect();
  backend_peer_->Send("last answer");
  Settle();
  Advance(kDrainIdle);
  manager_->EndAll(Reason::kShutdown);
  ExpectPoliteEnd();
  EXPECT_EQ(client_->received(), "last answer");
  ASSERT_TRUE(BothHangUp());
  ExpectEnd(EndedAs::Both(Reason::kShutdown));
}

TEST_P(CloseMatrixDecisions, TheOperatorEndsAnIdleConnectionPolitely) {
  Connect();
  manager_->EndAll(Reason::kAdmin);
  ExpectPoliteEnd();
  ASSERT_TRUE(BothHangUp());
  ExpectEnd(EndedAs::Both(Reason::kAdmin));
}

TEST_P(CloseMatrixDecisions, BytesThatArriveDuringTheEndDoNotMakeItAReset) {
  Connect();
  manager_->EndAll(Reason::kShutdown);
  client_->Send(std::string(300'000, 'c'));
  backend_peer_->Send(std::string(300'000, 'b'));
  ExpectPoliteEnd();
  ASSERT_TRUE(BothHangUp());
  ExpectEnd(EndedAs::Both(Reason::kShutdown));
}

TEST_P(CloseMatrixDecisions, ShutdownDuringAHandshakeDialsNothing) {
  StartRouter();
  TlsPeer::Options options = Tls();
  options.allowance = 100;
  client_ = ConnectTls(options);
  ASSERT_TRUE(Until([this] { return live_connections() == 1; }));
  manager_->EndAll(Reason::kShutdown);
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  EXPECT_FALSE(BackendWasDialled());
  ExpectEnd(EndedAs::Undialled(Reason::kShutdown));
}

TEST_P(CloseMatrixDecisions, ShutdownWhileTheBackendIsBeingDialledEndsTheDialling) {
  const BlackHole hole;
  backend_address_ = hole.address();
  StartRouter();
  client_ = ConnectTls(Tls());
  ASSERT_TRUE(Until([this] { return client_->handshake_done(); }));
  Settle();
  manager_->EndAll(Reason::kShutdown);
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  EXPECT_FALSE(client_->close_notify_received()) << "not even an empty answer";
  EXPECT_EQ(client_->alert_received(), SSL_AD_INTERNAL_ERROR);
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kShutdown));
}

TEST_P(CloseMatrixDecisionsHalfClosed, ShutdownEndsAHalfClosedConnection) {
  Connect();
  client_->SendCloseNotify();
  Settle();
  manager_->EndAll(Reason::kShutdown);
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  EXPECT_FALSE(client_->close_notify_received());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kShutdown));
}

TEST_P(CloseMatrixDecisions, TheFirstReasonIsKeptWhateverFollows) {
  Connect();
  manager_->EndAll(Reason::kAdmin);
  manager_->EndAll(Reason::kShutdown);
  client_->socket().Reset();
  backend_peer_->Reset();
  Advance(absl::Hours(1));
  ExpectEnd(EndedAs::Both(Reason::kAdmin));
}

TEST_P(CloseMatrixDecisions, AStalledClientIsDestroyedAfterTheGraceAndItsBytesAreCounted) {
  Connect();
  client_->socket().StallReading(true);
  backend_peer_->Send(std::string(20'000'000, 'b'));
  ASSERT_TRUE(Until([this] { return Dump().value("queued_to_client", 0u) > 0; }));
  manager_->EndAll(Reason::kShutdown);
  Settle();
  Advance(route_.bridge.grace - absl::Milliseconds(1));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Milliseconds(1));
  ExpectEnd({Reason::kShutdown, Reason::kShutdown, Reason::kShutdown, "", "", /*dropped=*/true});
  client_->socket().StallReading(false);
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(client_->end(), StreamEnd::kReset) << "what was cut must not look complete";
  EXPECT_FALSE(client_->close_notify_received());
}

TEST_P(CloseMatrixDecisions, AStalledBackendIsDestroyedAfterTheGraceAndItsBytesAreCounted) {
  Connect();
  backend_peer_->StallReading(true);
  client_->Send(std::string(20'000'000, 'c'));
  ASSERT_TRUE(Until([this] { return Dump().value("queued_to_backend", 0u) > 0; }));
  manager_->EndAll(Reason::kShutdown);
  Settle();
  Advance(route_.bridge.grace - absl::Milliseconds(1));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Milliseconds(1));
  ExpectEnd({Reason::kShutdown, Reason::kShutdown, Reason::kShutdown, "", "", /*dropped=*/true});
  backend_peer_->StallReading(false);
  ASSERT_TRUE(Until([this] { return backend_peer_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
}

// ---- Limits.

TEST_P(CloseMatrixDecisions, TheGlobalLimitBites) {
  config_.limits.connections = 1;
  Connect();
  ExpectRefused(Reason::kGlobalLimit);
  ExpectRoomAfterwards();
}

TEST_P(CloseMatrixDecisions, WithoutDescriptorsForMoreTheBudgetBites) {
  budget_ = 1;
  Connect();
  ExpectRefused(Reason::kFdLimit);
  ExpectRoomAfterwards();
}

TEST_P(CloseMatrixDecisions, ALimitAboveTheBudgetIsCutToIt) {
  config_.limits.connections = 5;
  budget_ = 1;
  Connect();
  ExpectRefused(Reason::kFdLimit);
}

TEST_P(CloseMatrixDecisions, TheLimitOfOneAddressBites) {
  config_.limits.connections_per_ip = 1;
  Connect();
  ExpectRefused(Reason::kIpLimit);
  ExpectRoomAfterwards();
}

TEST_P(CloseMatrixDecisions, TheLimitOfTheRouteBites) {
  route_.limits.connections = 1;
  Connect();
  ExpectRefused(Reason::kRouteLimit);
  ExpectRoomAfterwards();
}

TEST_P(CloseMatrixDecisions, TheLimitOfHandshakesBites) {
  config_.limits.handshakes = 1;
  Connect();
  EXPECT_EQ(handshake_limit_->waiting(), 0) << "whose handshake is done does not count";
  // Both are heard in one turn, before any handshake goes on: one of them waits for us.
  std::unique_ptr<TlsPeer> clients[] = {ConnectTls(Tls()), ConnectTls(Tls())};
  ASSERT_TRUE(Until([&] {
    for (auto& client : clients) client->Step();
    return Ended(Reason::kHandshakeLimit) == 1 || clients[0]->end() != StreamEnd::kOpen ||
           clients[1]->end() != StreamEnd::kOpen;
  }));
  TlsPeer& refused = clients[0]->end() != StreamEnd::kOpen ? *clients[0] : *clients[1];
  TlsPeer& served = clients[0]->end() != StreamEnd::kOpen ? *clients[1] : *clients[0];
  ASSERT_TRUE(Until([&] { return refused.Step(), refused.end() != StreamEnd::kOpen; }));
  EXPECT_EQ(refused.end(), StreamEnd::kFin);
  EXPECT_EQ(refused.alert_received(), SSL_AD_INTERNAL_ERROR);
  refused.socket().Fin();
  EXPECT_TRUE(Until([this] { return Ended(Reason::kHandshakeLimit) == 1; }));
  ASSERT_TRUE(Until([&] { return served.Step(), served.handshake_done(); }));
  auto next = ConnectTls(Tls());
  ASSERT_TRUE(Until([&] { return next->Step(), next->handshake_done(); }));
}

TEST_P(CloseMatrixDecisions, TheLimitOfUnfinishedHandshakesOfOneAddressBites) {
  config_.limits.handshakes_per_ip = 1;
  Connect();
  auto half_way = ConnectTls(Tls());
  Settle();  // the rest of its handshake depends on it alone, which nobody steps
  ExpectRefused(Reason::kIpHandshakeLimit);
  half_way->socket().Reset();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 1; }));
  ExpectRoomAfterwards();
}

TEST_P(CloseMatrixDecisions, TheRateOfOneAddressBitesAlsoAfterTheConnectionHasGone) {
  config_.limits.new_per_ip_per_minute = 1;
  Connect();
  ExpectRefused(Reason::kRateLimit);
  ASSERT_TRUE(BothHangUp());
  auto again = ConnectTls(Tls());
  ASSERT_TRUE(Until([&again] {
    again->Step();
    return again->end() != StreamEnd::kOpen;
  }));
  EXPECT_EQ(Ended(Reason::kRateLimit), 2u);
  Advance(absl::Minutes(2));
  ExpectRoomAfterwards();
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(CloseMatrixDecisions);
TLSBRIDGE_FOR_TLS13(CloseMatrixDecisionsHalfClosed);

}  // namespace
}  // namespace tlsbridge::testing
