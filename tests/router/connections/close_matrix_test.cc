// The close matrix: a peer ends its stream or is gone. What the other must see, and the reason.

#include "tests/support/close_matrix.h"

#include <string>

#include "gtest/gtest.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

// What half-closed connections do, which TLS 1.2 does not know.
class CloseMatrixHalfClosed : public CloseMatrix {};
// What TLS 1.2 does instead.
class CloseMatrixAtOnce : public CloseMatrix {};

const EndedAs kClientFirst = {Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd, "", ""};
const EndedAs kBackendFirst = {Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kProxyEnd, "",
                               ""};

// ---- The client ends its stream.

TEST_P(CloseMatrixHalfClosed, ClientCloseNotifyReachesTheBackendAsFinAndTheAnswerStillArrives) {
  Connect();
  client_->Send("question");
  client_->SendCloseNotify();
  ASSERT_TRUE(Until([this] { return backend_peer_->end() == StreamEnd::kFin; }));
  EXPECT_EQ(backend_peer_->received(), "question");
  EXPECT_EQ(client_->end(), StreamEnd::kOpen);

  const std::string answer(300'000, 'a');
  backend_peer_->Send(answer);
  backend_peer_->Fin();
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->received(), answer);
  client_->socket().Close();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(kClientFirst);
}

TEST_P(CloseMatrixHalfClosed, ClientCloseNotifyWithFinIsTheSameAsWithout) {
  Connect();
  client_->Send("question");
  client_->SendCloseNotify();
  client_->socket().Fin();
  ASSERT_TRUE(Until([this] { return backend_peer_->end() == StreamEnd::kFin; }));
  EXPECT_EQ(backend_peer_->received(), "question");

  const std::string answer(300'000, 'a');
  backend_peer_->Send(answer);
  backend_peer_->Fin();
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->received(), answer);
  ASSERT_TRUE(Until([this] { return live_connections() == 0; })) << "nothing is left to wait for";
  ExpectEnd(kClientFirst);
}

TEST_P(CloseMatrix, AClientThatSaysCloseNotifyAndNeverClosesIsDestroyedAfterTheGrace) {
  Connect();
  client_->SendCloseNotify();
  ASSERT_TRUE(BackendEnded());
  backend_peer_->Fin();
  ASSERT_TRUE(Until([this] { return client_->end() == StreamEnd::kFin; }));
  Advance(route_.bridge.grace - absl::Milliseconds(1));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Milliseconds(1));
  ExpectEnd(kClientFirst);
}

TEST_P(CloseMatrix, AClientThatSendsAndLeavesAtOnceHasAllOfItDelivered) {
  StartRouter();
  client_ = ConnectTls(Tls());
  const std::string message(100'000, 'm');
  client_->Send(message);
  client_->SendCloseNotify();
  ASSERT_TRUE(Until([this] { return client_->handshake_done(); }));
  client_->socket().Fin();
  ASSERT_TRUE(Until([this] {
    if (backend_peer_ == nullptr) backend_peer_ = backend_->Accept();
    return backend_peer_ != nullptr && backend_peer_->end() != StreamEnd::kOpen;
  }));
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
  EXPECT_EQ(backend_peer_->received(), message);
  backend_peer_->Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(kClientFirst);
}

TEST_P(CloseMatrix, ClientFinWithoutCloseNotifyIsATruncationThatTheBackendSeesAsReset) {
  Connect();
  client_->Send("half a requ");
  client_->socket().Fin();
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  EXPECT_EQ(backend_peer_->received(), "half a requ");
  // The backend has not ended its stream either: the client must not take it for complete.
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  EXPECT_FALSE(client_->close_notify_received());
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kTruncated));
}

TEST_P(CloseMatrix, TruncationMayBeAcceptedAsAnEnd) {
  route_.bridge.accept_truncation = true;
  Connect();
  client_->Send("all of it");
  client_->socket().Fin();
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
  EXPECT_EQ(backend_peer_->received(), "all of it");
  backend_peer_->Send("answer");
  backend_peer_->Fin();
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(client_->received(), "answer");
  EXPECT_TRUE(client_->close_notify_received());
  ExpectEnd(kClientFirst);
}

TEST_P(CloseMatrix, TruncationAfterTheBackendHasEndedIsStillATruncation) {
  Connect();
  backend_peer_->Fin();
  ASSERT_TRUE(ClientEnded());
  client_->Send("half");
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  Settle();
  EXPECT_EQ(backend_peer_->received(), "half");
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  ExpectEnd(EndedAs::Both(Reason::kTruncated));
}

// ---- With TLS 1.2 a close_notify ends both streams: RFC 5246 section 7.2.1.

TEST_P(CloseMatrixAtOnce, ClientCloseNotifyIsAnsweredThoughTheBackendGoesOn) {
  Connect();
  client_->Send("question");
  Settle();
  backend_peer_->Send("what has come by then");
  Settle();
  client_->SendCloseNotify();
  ASSERT_TRUE(Until([this] { return client_->end() == StreamEnd::kFin; }));
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->received(), "what has come by then");
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
  EXPECT_EQ(backend_peer_->received(), "question");
  client_->socket().Close();
  backend_peer_->Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(kClientFirst);
}

TEST_P(CloseMatrixAtOnce, ClientCloseNotifyIsAnsweredBehindWhatIsQueued) {
  Connect();
  client_->socket().StallReading(true);
  std::string answer;
  while (Dump().value("queued_to_client", 0u) == 0) {
    answer.append(100'000, 'a');
    backend_peer_->Send(std::string(100'000, 'a'));
    Settle();
  }
  client_->SendCloseNotify();
  ASSERT_TRUE(BackendEnded());
  const size_t taken = answer.size() - backend_peer_->unsent();
  client_->socket().StallReading(false);
  ASSERT_TRUE(Until([this] { return client_->end() == StreamEnd::kFin; }));
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_GT(client_->received().size(), 0u);
  EXPECT_LE(client_->received().size(), taken);
  EXPECT_EQ(client_->received(), answer.substr(0, client_->received().size()));
  client_->socket().Close();
  backend_peer_->Close();
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kClosedIncoming), 1u);
}

TEST_P(CloseMatrixAtOnce, ABackendThatIsSlowStillGetsAllAndIsHeardOut) {
  Connect();
  backend_peer_->StallReading(true);
  const std::string request(10'000, 'r');
  client_->Send(request);
  Settle();
  backend_peer_->Send("an early answer");
  Settle();
  client_->SendCloseNotify();
  ASSERT_TRUE(Until([this] { return client_->end() == StreamEnd::kFin; }));
  client_->socket().Close();
  Settle();
  Advance(3 * route_.bridge.grace);
  backend_peer_->Send("that nobody reads");
  backend_peer_->StallReading(false);
  ASSERT_TRUE(UntilWithTime([&] { return backend_peer_->received() == request; }));
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
  EXPECT_EQ(live_connections(), 1u);
  backend_peer_->Fin();
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kClosedIncoming), 1u);
}

TEST_P(CloseMatrixAtOnce, ARequestThatEndsWithCloseNotifyGetsItsAnswer) {
  Connect();
  client_->Send("question");
  client_->SendCloseNotify();
  ASSERT_TRUE(BackendEnded());
  Advance(2 * route_.bridge.grace);
  EXPECT_EQ(client_->end(), StreamEnd::kOpen);
  backend_peer_->Send("answer");
  backend_peer_->Fin();
  ASSERT_TRUE(Until([this] { return client_->end() == StreamEnd::kFin; }));
  EXPECT_EQ(client_->received(), "answer");
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(kClientFirst);
}

TEST_P(CloseMatrixAtOnce, ABackendThatGoesOnForEverHasTheHalfCloseTimeout) {
  Connect();
  backend_peer_->Send("event");
  Settle();
  client_->SendCloseNotify();
  client_->socket().Fin();
  ASSERT_TRUE(Until([this] { return client_->end() == StreamEnd::kFin; }));
  ASSERT_TRUE(BackendEnded());
  for (int second = 0; second < 59; ++second) {
    backend_peer_->Send("event");
    Advance(absl::Seconds(1));
  }
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Seconds(2));
  Advance(route_.bridge.grace);
  EXPECT_EQ(Ended(Reason::kHalfCloseTimeout), 1u);
}

// ---- The backend ends its stream.

TEST_P(CloseMatrix, BackendFinReachesTheClientAsCloseNotifyAndTheClientMayGoOnSending) {
  Connect();
  backend_peer_->Send("greeting");
  backend_peer_->Fin();
  ASSERT_TRUE(Until([this] { return client_->end() == StreamEnd::kFin; }));
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->received(), "greeting");

  const std::string more(300'000, 'm');
  client_->Send(more);
  ASSERT_TRUE(Until([this, &more] { return backend_peer_->received() == more; }));
  client_->SendCloseNotify();
  client_->socket().Fin();
  ASSERT_TRUE(Until([this] { return backend_peer_->end() == StreamEnd::kFin; }));
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  ExpectEnd(kBackendFirst);
}

TEST_P(CloseMatrix, AServerThatSpeaksFirstIsHeardBeforeTheClientHasSaidAWord) {
  Connect();
  backend_peer_->Send("220 ready\r\n");
  ASSERT_TRUE(Until([this] { return client_->received() == "220 ready\r\n"; }));
  EXPECT_EQ(backend_peer_->received(), "");
  client_->Send("QUIT\r\n");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "QUIT\r\n"; }));
  backend_peer_->Send("221 bye\r\n");
  backend_peer_->Fin();
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->received(), "220 ready\r\n221 bye\r\n");
  ASSERT_TRUE(BothHangUp());
  ExpectEnd(kBackendFirst);
}

TEST_P(CloseMatrix, EndsThatCrossOnTheWireAreCountedAfterTheOneThatCameFirst) {
  Connect();
  client_->Send("a");
  client_->SendCloseNotify();
  client_->socket().Fin();
  backend_peer_->Send("b");
  backend_peer_->Fin();
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(backend_peer_->received(), "a");
  EXPECT_EQ(client_->received(), "b");
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(Ended(Reason::kClosedIncoming) + Ended(Reason::kClosedOutgoing), 1u);
}

// ---- A peer is gone.

TEST_P(CloseMatrix, ClientResetReachesTheBackendAsReset) {
  Connect();
  client_->socket().Reset();
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "ECONNRESET"));
}

TEST_P(CloseMatrix, ClientResetAfterItsLastByteStillDeliversThatByte) {
  Connect();
  client_->Send("last words");
  client_->socket().Reset();
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  EXPECT_EQ(backend_peer_->received(), "last words");
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "ECONNRESET"));
}

TEST_P(CloseMatrixHalfClosed, ClientResetWhileHalfClosedIsAResetNotAnOrderlyEnd) {
  Connect();
  client_->SendCloseNotify();
  ASSERT_TRUE(BackendEnded());
  client_->socket().Reset();
  ASSERT_TRUE(AllEnded());
  // The client's stream was complete, so that its FIN stands; an answer finds nobody.
  backend_peer_->Send("too late");
  backend_peer_->Send("answered by a reset");
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "ECONNRESET"));
}

TEST_P(CloseMatrix, BackendResetReachesTheClientAsResetWithoutCloseNotify) {
  Connect();
  // With which the client's kernel acknowledges the handshake, too.
  client_->Send("question");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "question"; }));
  backend_peer_->Reset();
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  EXPECT_FALSE(client_->close_notify_received());
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "ECONNRESET"));
}

TEST_P(CloseMatrix, BackendResetAfterItsLastByteStillDeliversThatByte) {
  Connect();
  const std::string words(200'000, 'w');
  backend_peer_->Send(words);
  ASSERT_TRUE(Until([this] { return backend_peer_->unsent() == 0; }));
  ASSERT_TRUE(Until([this, &words] { return client_->received() == words; }));
  backend_peer_->Send("last words");
  backend_peer_->Reset();
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  EXPECT_FALSE(client_->close_notify_received());
  EXPECT_EQ(client_->received(), words + "last words");
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "ECONNRESET"));
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(CloseMatrix);
TLSBRIDGE_FOR_TLS13(CloseMatrixHalfClosed);
TLSBRIDGE_FOR_TLS12(CloseMatrixAtOnce);

}  // namespace
}  // namespace tlsbridge::testing
