// The close matrix: nobody does anything, or not soon enough.

#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class CloseMatrixDeadlines : public CloseMatrix {
 protected:
  void SetUp() override {
    CloseMatrix::SetUp();
    Timeouts& timeouts = route_.timeouts;
    timeouts.initial_data = timeouts.inactivity = timeouts.half_close = timeouts.max_lifetime =
        absl::ZeroDuration();
  }

  // Both peers see an orderly end.
  void ExpectPolite(Reason reason) {
    ASSERT_TRUE(ClientEnded());
    EXPECT_TRUE(client_->close_notify_received());
    EXPECT_EQ(client_->end(), StreamEnd::kFin);
    ASSERT_TRUE(BackendEnded());
    EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
    ASSERT_TRUE(BothHangUp());
    ExpectEnd(EndedAs::Both(reason));
  }

  // The client has ended its stream, and the backend has not: the answer looks cut.
  void ExpectCutAnswer(Reason reason) {
    ASSERT_TRUE(ClientEnded());
    EXPECT_FALSE(client_->close_notify_received());
    EXPECT_EQ(client_->end(), StreamEnd::kReset);
    EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
    backend_peer_->Fin();
    ASSERT_TRUE(AllEnded());
    ExpectEnd(EndedAs::Both(reason));
  }

  // The reverse: the request looks cut.
  void ExpectCutRequest(Reason reason) {
    ASSERT_TRUE(BackendEnded());
    EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
    EXPECT_EQ(client_->end(), StreamEnd::kFin);
    EXPECT_TRUE(client_->close_notify_received());
    client_->SendCloseNotify();
    client_->socket().Fin();
    ASSERT_TRUE(AllEnded());
    ExpectEnd(EndedAs::Both(reason));
  }

  void ExpectAliveFor(absl::Duration time) {
    Advance(time - absl::Milliseconds(1));
    ASSERT_EQ(live_connections(), 1u);
    EXPECT_EQ(client_->end(), StreamEnd::kOpen);
    Advance(absl::Milliseconds(1));
  }

  const absl::Time started_ = clock_.Monotonic();

  void SendEitherWay(const std::string& bytes) {
    client_->Send(bytes);
    Settle();
    backend_peer_->Send(bytes);
    Settle();
  }
};

// What half-closed connections do, which TLS 1.2 does not know.
class CloseMatrixDeadlinesHalfClosed : public CloseMatrixDeadlines {};

// ---- Inactivity.

TEST_P(CloseMatrixDeadlines, BothIdleAreClosedWithCloseNotifyFirst) {
  route_.timeouts.inactivity = absl::Minutes(10);
  Connect();
  ExpectAliveFor(absl::Minutes(10));
  ExpectPolite(Reason::kInactivity);
}

TEST_P(CloseMatrixDeadlines, AByteFromEitherPeerStartsInactivityAnew) {
  route_.timeouts.inactivity = absl::Minutes(10);
  Connect();
  Advance(absl::Minutes(9));
  client_->Send("c");
  Settle();
  Advance(absl::Minutes(9));
  backend_peer_->Send("b");
  Settle();
  ExpectAliveFor(absl::Minutes(10));
  ExpectPolite(Reason::kInactivity);
}

TEST_P(CloseMatrixDeadlines, AnExtendedConnectionIsWarnedOfBeforeItsLongerEnd) {
  route_.timeouts.inactivity = absl::Hours(1);
  route_.keep_alive = {KeepAliveTreatment::kExtended, 6, absl::Minutes(10)};
  Connect();
  Advance(absl::Hours(6) - absl::Minutes(10) - absl::Milliseconds(1));
  EXPECT_EQ(log_.Events("inactivity_warning").size(), 0u);
  Advance(absl::Milliseconds(1));
  ASSERT_EQ(log_.Events("inactivity_warning").size(), 1u);
  EXPECT_EQ(log_.Events("inactivity_warning")[0].value("closes_in_ms", 0.0), 600'000);
  ExpectAliveFor(absl::Minutes(10));
  ExpectPolite(Reason::kInactivity);
  EXPECT_EQ(log_.Events("inactivity_warning").size(), 1u);
  EXPECT_EQ(log_.Events("inactivity_warning_withdrawn").size(), 0u);
}

TEST_P(CloseMatrixDeadlines, ActivityWithdrawsTheWarningAndAnotherOneMayFollow) {
  route_.timeouts.inactivity = absl::Hours(1);
  route_.keep_alive = {KeepAliveTreatment::kExtended, 6, absl::Minutes(10)};
  Connect();
  Advance(absl::Hours(6) - absl::Minutes(5));
  EXPECT_EQ(log_.Events("inactivity_warning").size(), 1u);
  Advance(absl::Minutes(1));
  backend_peer_->Send("still here");
  Settle();
  Advance(absl::Minutes(6));
  EXPECT_EQ(log_.Events("inactivity_warning_withdrawn").size(), 1u);
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Hours(6) - absl::Minutes(16));
  EXPECT_EQ(log_.Events("inactivity_warning").size(), 2u);
  ExpectAliveFor(absl::Minutes(10));
  ExpectPolite(Reason::kInactivity);
}

TEST_P(CloseMatrixDeadlines, AnImmortalConnectionIsNeverClosedForSilence) {
  route_.timeouts.inactivity = absl::Hours(1);
  route_.keep_alive.treatment = KeepAliveTreatment::kImmortal;
  Connect();
  for (int day = 0; day < 400; ++day) Advance(absl::Hours(24));
  EXPECT_EQ(live_connections(), 1u);
  SendEitherWay("x");
  EXPECT_EQ(client_->received(), "x");
  EXPECT_EQ(backend_peer_->received(), "x");
}

TEST_P(CloseMatrixDeadlines, AStallThatEndsJustBeforeTheDeadlineIsActivity) {
  route_.timeouts.inactivity = absl::Minutes(10);
  Connect();
  client_->socket().StallReading(true);
  backend_peer_->Send(std::string(20'000'000, 'b'));
  Settle();
  Advance(absl::Minutes(9));
  client_->socket().StallReading(false);
  ASSERT_TRUE(Until([this] { return client_->received().size() == 20'000'000; }));
  ExpectAliveFor(absl::Minutes(10));
  ExpectPolite(Reason::kInactivity);
}

// ---- Half-closed.

TEST_P(CloseMatrixDeadlinesHalfClosed, AHalfClosedConnectionWithoutAByteIsClosed) {
  route_.timeouts.half_close = absl::Seconds(60);
  Connect();
  client_->SendCloseNotify();
  Settle();
  ExpectAliveFor(absl::Seconds(60));
  ExpectCutAnswer(Reason::kHalfCloseTimeout);
}

TEST_P(CloseMatrixDeadlines, EveryByteThatStillFlowsStartsTheHalfCloseTimeoutAnew) {
  route_.timeouts.half_close = absl::Seconds(60);
  Connect();
  backend_peer_->Fin();
  Settle();
  for (int i = 0; i < 10; ++i) {
    Advance(absl::Seconds(59));
    client_->Send("c");
    Settle();
  }
  EXPECT_EQ(backend_peer_->received(), std::string(10, 'c'));
  Advance(absl::Seconds(60) - absl::Milliseconds(1));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Milliseconds(1));
  ExpectCutRequest(Reason::kHalfCloseTimeout);
}

TEST_P(CloseMatrixDeadlines, TheHalfCloseTimeoutDoesNotApplyBeforeAPeerHasEnded) {
  route_.timeouts.half_close = absl::Seconds(60);
  Connect();
  Advance(absl::Hours(1));
  EXPECT_EQ(live_connections(), 1u);
}

TEST_P(CloseMatrixDeadlinesHalfClosed, AClientThatSlowlyTakesABufferedAnswerIsNotSilent) {
  route_.timeouts.half_close = absl::Seconds(60);
  Connect();
  client_->socket().StallReading(true);
  std::string answer(20'000'000, 'a');
  backend_peer_->Send(answer);
  Settle();
  client_->SendCloseNotify();
  Settle();
  Advance(absl::Seconds(10));
  // In each minute it takes what its kernel holds, and nothing of ours is asked for.
  for (int minute = 0; minute < 3; ++minute) {
    client_->socket().StallReading(false);
    client_->Step();
    client_->socket().StallReading(true);
    Advance(absl::Seconds(55));
    ASSERT_EQ(live_connections(), 1u);
  }
  client_->socket().StallReading(false);
  backend_peer_->Fin();
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(client_->received().size(), answer.size());
  EXPECT_TRUE(client_->close_notify_received());
  ASSERT_TRUE(BothHangUp());
  ExpectEnd({Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd, "", ""});
}

TEST_P(CloseMatrixDeadlinesHalfClosed, AClientThatTakesNothingOfABufferedAnswerIsSilent) {
  route_.timeouts.half_close = absl::Seconds(60);
  Connect();
  client_->socket().StallReading(true);
  backend_peer_->Send(std::string(20'000'000, 'a'));
  Settle();
  client_->SendCloseNotify();
  Settle();
  ASSERT_TRUE(Until([this] { return Dump()["backend_reads_paused"].size() == 1; }));
  // Its kernel may still take a little at its own pace, which counts.
  for (int round = 0; round < 5 && live_connections() > 0; ++round) {
    Advance(absl::Seconds(10));
    Advance(absl::Seconds(51));
    Advance(route_.bridge.grace);
  }
  ExpectEnd({Reason::kHalfCloseTimeout, Reason::kHalfCloseTimeout, Reason::kHalfCloseTimeout, "",
             "", /*dropped=*/true});
}

// ---- The first byte.

TEST_P(CloseMatrixDeadlines, AConnectionWithoutAFirstByteIsClosed) {
  route_.timeouts.initial_data = absl::Seconds(60);
  Connect();
  ExpectAliveFor(absl::Seconds(60));
  ExpectPolite(Reason::kInitialTimeout);
}

TEST_P(CloseMatrixDeadlines, AServerThatSpeaksFirstTurnsTheInitialTimeoutOff) {
  route_.timeouts.initial_data = absl::Seconds(60);
  Connect();
  backend_peer_->Send("220 ready\r\n");
  Settle();
  Advance(absl::Hours(10));
  EXPECT_EQ(live_connections(), 1u);
  EXPECT_EQ(client_->received(), "220 ready\r\n");
}

TEST_P(CloseMatrixDeadlines, AClientThatSpeaksFirstTurnsTheInitialTimeoutOff) {
  route_.timeouts.initial_data = absl::Seconds(60);
  Connect();
  client_->Send("x");
  Settle();
  Advance(absl::Hours(10));
  EXPECT_EQ(live_connections(), 1u);
}

// ---- Age.

TEST_P(CloseMatrixDeadlines, AnIdleConnectionThatIsTooOldIsClosedPolitely) {
  route_.timeouts.max_lifetime = absl::Hours(24);
  Connect();
  Advance(absl::Hours(22));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Hours(24) * 1.05 - absl::Hours(22));
  ExpectPolite(Reason::kMaxLifetime);
}

TEST_P(CloseMatrixDeadlines, AConnectionInUseThatIsTooOldIsClosedAsItFallsIdle) {
  route_.timeouts.max_lifetime = absl::Minutes(10);
  config_.shutdown.drain_timeout = absl::Minutes(5);
  Connect();
  // An exchange each half second, long past the oldest that jitter allows.
  while (clock_.Monotonic() < started_ + absl::Minutes(12)) {
    Advance(absl::Milliseconds(500));
    SendEitherWay("x");
  }
  EXPECT_EQ(live_connections(), 1u);
  EXPECT_EQ(client_->received(), backend_peer_->received());
  for (int i = 0; i < 12; ++i) Advance(absl::Milliseconds(100));
  ExpectPolite(Reason::kMaxLifetime);
}

TEST_P(CloseMatrixDeadlines, AConnectionThatNeverFallsIdleIsClosedWhenTheDrainIsOver) {
  route_.timeouts.max_lifetime = absl::Minutes(10);
  config_.shutdown.drain_timeout = absl::Minutes(1);
  Connect();
  while (clock_.Monotonic() < started_ + absl::Minutes(12) && live_connections() > 0) {
    Advance(absl::Milliseconds(500));
    SendEitherWay("x");
  }
  EXPECT_LT(clock_.Monotonic(), started_ + absl::Minutes(11.6));
  ASSERT_TRUE(AllEnded());
  EXPECT_FALSE(client_->close_notify_received());
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  EXPECT_EQ(Ended(Reason::kMaxLifetime), 1u);
}

// ---- Too old, in use, and something else besides.

TEST_P(CloseMatrixDeadlinesHalfClosed, TheHalfCloseTimeoutEndsAConnectionThatIsTooOld) {
  route_.timeouts.max_lifetime = absl::Minutes(10);
  route_.timeouts.half_close = absl::Seconds(60);
  config_.shutdown.drain_timeout = absl::Hours(1);
  Connect();
  Advance(absl::Minutes(9));
  client_->SendCloseNotify();
  Settle();
  Advance(absl::Seconds(30));
  backend_peer_->Send("some of the answer");
  Settle();
  const absl::Time fell_silent = clock_.Monotonic();
  Advance(absl::Seconds(59));
  EXPECT_EQ(live_connections(), 1u) << "less than 10.5 minutes old, or draining";
  for (int i = 0; i < 10; ++i) Advance(absl::Milliseconds(100));
  EXPECT_EQ(clock_.Monotonic() - fell_silent, absl::Seconds(60));
  ExpectCutAnswer(Reason::kHalfCloseTimeout);
}

TEST_P(CloseMatrixDeadlines, TheHalfCloseTimeoutBitesLongAfterTheMaximumAge) {
  route_.timeouts.max_lifetime = absl::Minutes(10);
  route_.timeouts.half_close = absl::Seconds(60);
  config_.shutdown.drain_timeout = absl::Hours(1);
  Connect();
  client_->Send("question");
  Settle();
  Advance(absl::Minutes(11));  // too old, but it awaits an answer
  EXPECT_EQ(live_connections(), 1u);
  backend_peer_->Fin();
  Settle();
  Advance(absl::Seconds(60) - absl::Milliseconds(1));
  EXPECT_EQ(live_connections(), 1u);
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kOpen) << "the client may go on sending";
  Advance(absl::Milliseconds(1));
  ExpectCutRequest(Reason::kHalfCloseTimeout);
}

TEST_P(CloseMatrixDeadlinesHalfClosed, AnEndAfterALongSilenceStartsTheHalfCloseTimeout) {
  route_.timeouts.half_close = absl::Seconds(60);
  Connect();
  client_->Send("question");
  Settle();
  Advance(absl::Minutes(30));
  client_->SendCloseNotify();
  Settle();
  Advance(absl::Seconds(59));
  backend_peer_->Send("answer");
  backend_peer_->Fin();
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->received(), "answer");
  ASSERT_TRUE(BothHangUp());
  ExpectEnd({Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd, "", ""});
}

TEST_P(CloseMatrixDeadlines, InactivityEndsAConnectionThatIsTooOldAndAwaitsAnAnswer) {
  route_.timeouts.max_lifetime = absl::Minutes(10);
  route_.timeouts.inactivity = absl::Minutes(20);
  config_.shutdown.drain_timeout = absl::Hours(1);
  Connect();
  Advance(absl::Seconds(1));
  client_->Send("question");
  Settle();
  Advance(absl::Minutes(11));
  ExpectAliveFor(absl::Minutes(9));
  ASSERT_TRUE(AllEnded());
  EXPECT_FALSE(client_->close_notify_received());
  ExpectEnd(EndedAs::Both(Reason::kInactivity));
}

TEST_P(CloseMatrixDeadlines, AHandshakeThatIsTooOldStillMeetsItsOwnTimeout) {
  route_.timeouts.max_lifetime = absl::Seconds(5);
  route_.timeouts.handshake = absl::Seconds(10);
  config_.shutdown.drain_timeout = absl::Hours(1);
  StartRouter();
  const std::unique_ptr<Peer> client = ConnectClient();
  Settle();
  for (int i = 0; i < 99; ++i) Advance(absl::Milliseconds(100));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Milliseconds(100));
  Advance(route_.bridge.grace);
  ExpectEnd(EndedAs::Undialled(Reason::kHandshakeTimeout));
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(CloseMatrixDeadlines);
TLSBRIDGE_FOR_TLS13(CloseMatrixDeadlinesHalfClosed);

}  // namespace
}  // namespace tlsbridge::testing
