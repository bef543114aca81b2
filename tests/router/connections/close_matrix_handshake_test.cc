// The close matrix: a client that fails its handshake. Nothing is dialled, and the client can read
// why.

#include <sys/socket.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

constexpr Reason kFailed = Reason::kTlsHandshakeFailed;

class CloseMatrixHandshake : public CloseMatrix {
 protected:
  // The client's socket without TLS.
  void ConnectRaw() {
    StartRouter();
    raw_ = ConnectClient();
  }

  [[nodiscard]] bool RawEnded() {
    return UntilWithTime([this] {
      raw_->Step();
      return raw_->end() != StreamEnd::kOpen;
    });
  }

  // What the client would send first.
  std::string ClientHello() const {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    const TlsPeer sender(std::make_unique<Peer>(pair[0]), Tls());
    Peer receiver(pair[1]);
    receiver.Step();
    return receiver.received();
  }

  void ExpectRefused(const std::string& detail, int alert) {
    client_ = ConnectTls(options_);
    ASSERT_TRUE(ClientEnded());
    EXPECT_EQ(client_->end(), StreamEnd::kFin);
    EXPECT_EQ(client_->alert_received(), alert);
    client_->socket().Fin();
    ASSERT_TRUE(AllEnded());
    EXPECT_FALSE(BackendWasDialled());
    ExpectEnd(EndedAs::Undialled(kFailed, detail));
  }

  void ExpectRawRefused(const std::string& detail) {
    ASSERT_TRUE(RawEnded());
    EXPECT_EQ(raw_->end(), StreamEnd::kFin);
    raw_->Fin();
    ASSERT_TRUE(AllEnded());
    EXPECT_FALSE(BackendWasDialled());
    ExpectEnd(EndedAs::Undialled(kFailed, detail));
  }

  TlsPeer::Options options_ = Tls();
  std::unique_ptr<Peer> raw_;
};

TEST_P(CloseMatrixHandshake, AClientWithoutASharedGroupReadsHandshakeFailure) {
  StartRouter();
  options_.groups = "P-521";
  ExpectRefused("no_shared_group", SSL_AD_HANDSHAKE_FAILURE);
}

TEST_P(CloseMatrixHandshake, AClientWithoutASharedCipherReadsHandshakeFailure) {
  StartRouter();
  options_.version = TLS1_2_VERSION;  // the suites of TLS 1.3 are always shared
  options_.ciphers = "AES128-SHA";
  ExpectRefused("no_shared_cipher", SSL_AD_HANDSHAKE_FAILURE);
}

TEST_P(CloseMatrixHandshake, AClientThatIsTooOldReadsProtocolVersion) {
  StartRouter();
  options_.version = TLS1_1_VERSION;
  ExpectRefused("no_shared_version", SSL_AD_PROTOCOL_VERSION);
}

TEST_P(CloseMatrixHandshake, AClientThatRefusesTheCertificateIsLoggedWithItsAlert) {
  StartRouter();
  options_.certificate_alert = SSL_AD_UNKNOWN_CA;
  client_ = ConnectTls(options_);
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  EXPECT_FALSE(BackendWasDialled());
  ExpectEnd(EndedAs::Undialled(kFailed, "client_alert:unknown_ca"));
}

TEST_P(CloseMatrixHandshake, PlainHttpIsRecognised) {
  ConnectRaw();
  raw_->Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ExpectRawRefused("plain_http");
}

TEST_P(CloseMatrixHandshake, GarbageIsRecognised) {
  ConnectRaw();
  raw_->Send(std::string(64, '\xff'));
  ExpectRawRefused("not_tls");
}

TEST_P(CloseMatrixHandshake, UnreadBytesDoNotMakeAResetThatOvertakesTheAlert) {
  ConnectRaw();
  raw_->StallReading(true);
  raw_->Send(ClientHello().substr(0, 50) + std::string(400'000, '\xff'));
  Settle();
  raw_->Send(std::string(400'000, '\xff'));
  Settle();
  raw_->StallReading(false);
  ASSERT_TRUE(RawEnded());
  EXPECT_EQ(raw_->end(), StreamEnd::kFin);
  ASSERT_EQ(raw_->received().size(), 7u) << "one record with an alert";
  EXPECT_EQ(raw_->received()[0], 21) << "its type is alert";
  EXPECT_EQ(raw_->received()[5], SSL3_AL_FATAL);
  raw_->Fin();
  ASSERT_TRUE(AllEnded());
  EXPECT_FALSE(BackendWasDialled());
  EXPECT_EQ(Ended(kFailed), 1u);
}

TEST_P(CloseMatrixHandshake, AClientThatReadsTheAlertAndStaysIsDestroyedAfterTheGrace) {
  ConnectRaw();
  raw_->Send(std::string(64, '\xff'));
  ASSERT_TRUE(Until([this] {
    raw_->Step();
    return raw_->end() == StreamEnd::kFin;
  }));
  Advance(route_.bridge.grace - absl::Milliseconds(1));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Milliseconds(1));
  ExpectEnd(EndedAs::Undialled(kFailed, "not_tls"));
}

TEST_P(CloseMatrixHandshake, ATcpProbeIsCountedAndIsNoWarning) {
  ConnectRaw();
  Settle();
  raw_->Close();
  ASSERT_TRUE(AllEnded());
  EXPECT_FALSE(BackendWasDialled());
  ExpectEnd(EndedAs::Undialled(kFailed, "tcp_probe"));
  EXPECT_EQ(log_.Events("connection_end").front().value("level", ""), "debug");
}

TEST_P(CloseMatrixHandshake, ATcpProbeThatLeavesWithAResetIsAProbeToo) {
  ConnectRaw();
  Settle();
  raw_->Reset();
  ASSERT_TRUE(AllEnded());
  ExpectEnd({kFailed, kFailed, Reason::kNone, "ECONNRESET", "tcp_probe"});
  EXPECT_EQ(log_.Events("connection_end").front().value("level", ""), "debug");
}

TEST_P(CloseMatrixHandshake, AClientThatLeavesInTheMiddleOfItsHelloIsGone) {
  ConnectRaw();
  raw_->Send(ClientHello().substr(0, 100));
  Settle();
  raw_->Fin();
  ExpectRawRefused("client_gone");
}

TEST_P(CloseMatrixHandshake, AClientThatResetsInTheMiddleOfItsHelloIsGone) {
  ConnectRaw();
  raw_->Send(ClientHello().substr(0, 100));
  Settle();
  raw_->Reset();
  ASSERT_TRUE(AllEnded());
  EXPECT_FALSE(BackendWasDialled());
  ExpectEnd({kFailed, kFailed, Reason::kNone, "ECONNRESET", "client_gone"});
}

TEST_P(CloseMatrixHandshake, AClientThatLeavesBetweenTheFlightsIsGone) {
  ConnectRaw();
  raw_->Send(ClientHello());
  Settle();
  raw_->Step();
  EXPECT_GT(raw_->received().size(), 100u) << "the server's flight";
  raw_->Fin();
  ExpectRawRefused("client_gone");
}

TEST_P(CloseMatrixHandshake, ASilentClientIsClosedWhenItsTimeIsOver) {
  route_.timeouts.handshake = absl::Seconds(10);
  ConnectRaw();
  Settle();
  Advance(absl::Seconds(10) - absl::Milliseconds(1));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Milliseconds(1));
  ASSERT_TRUE(RawEnded());
  EXPECT_EQ(raw_->end(), StreamEnd::kFin);
  EXPECT_EQ(raw_->received(), "");
  raw_->Fin();
  ASSERT_TRUE(AllEnded());
  EXPECT_FALSE(BackendWasDialled());
  ExpectEnd(EndedAs::Undialled(Reason::kHandshakeTimeout));
}

TEST_P(CloseMatrixHandshake, AClientThatSendsAByteNowAndThenGainsNoTime) {
  route_.timeouts.handshake = absl::Seconds(10);
  ConnectRaw();
  const std::string hello = ClientHello();
  for (int second = 0; second < 9; ++second) {
    raw_->Send(hello.substr(static_cast<size_t>(second), 1));
    Advance(absl::Seconds(1));
  }
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Seconds(1));
  ASSERT_TRUE(RawEnded());
  raw_->Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Undialled(Reason::kHandshakeTimeout));
}

TEST_P(CloseMatrixHandshake, ARecordThatDoesNotDecryptAfterTheHandshakeCutsTheBackendOff) {
  Connect();
  client_->Send("good");
  client_->socket().Send(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->alert_received(), SSL_AD_BAD_RECORD_MAC);
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  EXPECT_EQ(backend_peer_->received(), "good");
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kTlsError, "", "bad_record"));
}

TEST_P(CloseMatrixHandshake, AnAlertAfterTheHandshakeIsLoggedByItsName) {
  Connect();
  client_->SendAlert(SSL_AD_INTERNAL_ERROR);
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kTlsError, "", "client_alert:internal_error"));
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(CloseMatrixHandshake);

}  // namespace
}  // namespace tlsbridge::testing
