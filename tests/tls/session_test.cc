#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MemoryClient;

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

const ServerContext& Context() {
  static const auto* const context = [] {
    auto identity = MakeDevelopmentIdentity(absl::UnixEpoch());
    return ServerContext::Create(identity->localhost)->release();
  }();
  return *context;
}

class SessionTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  // Gives the server `ciphertext` in pieces, and the client each answer in pieces of the same size.
  void Deliver(const std::string& ciphertext, size_t piece = 100'000) {
    for (size_t at = 0; at < ciphertext.size(); at += piece) {
      const Session::Received received = server_->Receive(Bytes(ciphertext.substr(at, piece)));
      received_.append(received.plaintext.begin(), received.plaintext.end());
      verdict_ = received.verdict;
      DeliverOutput(piece);
    }
  }
  void DeliverOutput(size_t piece = 100'000) {
    const std::string output(staging_.output().begin(), staging_.output().end());
    staging_.ClearOutput();
    for (size_t at = 0; at < output.size(); at += piece) client_->Receive(output.substr(at, piece));
  }
  void Handshake(size_t piece = 100'000) {
    for (int i = 0; i < 5 && !(client_->handshake_done() && server_->handshake_done()); ++i) {
      Deliver(client_->TakeOutput(), piece);
    }
    ASSERT_TRUE(client_->handshake_done());
    ASSERT_TRUE(server_->handshake_done());
  }
  void SendFromServer(const std::string& text, size_t piece = 100'000) {
    ASSERT_TRUE(server_->Send(Bytes(text)));
    DeliverOutput(piece);
  }

  Staging staging_;
  std::unique_ptr<MemoryClient> client_ = std::make_unique<MemoryClient>(GetParam());
  std::unique_ptr<Session> server_ = ClientSession::Accept(Context(), &staging_);
  std::string received_;
  Verdict verdict_ = Verdict::kOk;
};

TEST_P(SessionTest, OneByteAtATimeGivesTheSameAsAllAtOnce) {
  const std::string question(40'000, 'q');
  const std::string answer(50'000, 'a');
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, size_t{4096}, size_t{100'000}}) {
    client_ = std::make_unique<MemoryClient>(GetParam());
    server_ = ClientSession::Accept(Context(), &staging_);
    received_.clear();
    Handshake(piece);
    client_->Send(question);
    Deliver(client_->TakeOutput(), piece);
    EXPECT_EQ(received_, question) << "in pieces of " << piece;
    SendFromServer(answer, piece);
    EXPECT_EQ(client_->received(), answer) << "in pieces of " << piece;
    client_->SendCloseNotify();
    Deliver(client_->TakeOutput(), piece);
    EXPECT_EQ(verdict_, Verdict::kCleanEof) << "in pieces of " << piece;
  }
}

TEST_P(SessionTest, TellsTheFactsOfTheHandshake) {
  Handshake();
  EXPECT_EQ(server_->server_name(), "orders.internal");
  EXPECT_STREQ(server_->version(), GetParam() == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
  EXPECT_NE(std::string(server_->cipher()).find("GCM"), std::string::npos);
  EXPECT_STREQ(server_->group(), "X25519");
  EXPECT_FALSE(server_->resumed());
}

TEST_P(SessionTest, KnowsTheServerNameEvenWhenTheHandshakeFails) {
  client_ = std::make_unique<MemoryClient>(
      TLS1_2_VERSION, [](SSL_CTX* ctx) { SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES256-SHA"); });
  Deliver(client_->TakeOutput());
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(server_->server_name(), "orders.internal");
  EXPECT_EQ(Describe(server_->failure()), "no_shared_cipher");
  EXPECT_EQ(client_->alert_received(), SSL_AD_HANDSHAKE_FAILURE);
}

TEST_P(SessionTest, DataThatArrivesWithTheEndOfTheHandshakeIsNotLost) {
  Deliver(client_->TakeOutput());
  if (GetParam() == TLS1_2_VERSION) Deliver(client_->TakeOutput());
  ASSERT_TRUE(client_->handshake_done());
  client_->Send("early bird");
  Deliver(client_->TakeOutput());
  EXPECT_TRUE(server_->handshake_done());
  EXPECT_EQ(received_, "early bird");
}

TEST_P(SessionTest, CloseNotifyIsSentOnceAndSendingGoesOnAfterTheClientsOwn) {
  Handshake();
  client_->SendCloseNotify();
  Deliver(client_->TakeOutput());
  EXPECT_EQ(verdict_, Verdict::kCleanEof);
  EXPECT_TRUE(server_->close_notify_received());
  SendFromServer("the rest of the answer");
  server_->SendCloseNotify();
  DeliverOutput();
  EXPECT_EQ(client_->received(), "the rest of the answer");
  EXPECT_TRUE(client_->close_notify_received());
  server_->SendCloseNotify();
  server_->SendInternalError();
  EXPECT_TRUE(staging_.output().empty());
}

TEST_P(SessionTest, BytesAfterCloseNotifyAreIgnored) {
  Handshake();
  client_->SendCloseNotify();
  Deliver(client_->TakeOutput() + std::string(20'000, 'x'));
  Deliver(std::string(20'000, 'y'));
  EXPECT_EQ(verdict_, Verdict::kCleanEof);
  EXPECT_EQ(received_, "");
}

TEST_P(SessionTest, AnEofWithoutCloseNotifyIsATruncation) {
  Handshake();
  client_->Send("half");
  Deliver(client_->TakeOutput());
  EXPECT_EQ(server_->ReceiveEof(), Verdict::kTruncated);
}

TEST_P(SessionTest, AnEofAfterCloseNotifyIsClean) {
  Handshake();
  client_->SendCloseNotify();
  Deliver(client_->TakeOutput());
  EXPECT_EQ(server_->ReceiveEof(), Verdict::kCleanEof);
}

TEST_P(SessionTest, AnEofBeforeAnyByteIsATcpProbeAndInTheHandshakeAClientThatHasGone) {
  EXPECT_EQ(server_->ReceiveEof(), Verdict::kFailed);
  EXPECT_EQ(Describe(server_->failure()), "tcp_probe");
  server_ = ClientSession::Accept(Context(), &staging_);
  Deliver(client_->TakeOutput().substr(0, 20));
  EXPECT_EQ(server_->ReceiveEof(), Verdict::kFailed);
  EXPECT_EQ(Describe(server_->failure()), "client_gone");
}

TEST_P(SessionTest, ACloseNotifyInsteadOfAHandshakeIsAClientThatHasGone) {
  Deliver(std::string("\x15\x03\x03\x00\x02\x01\x00", 7));
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(server_->failure()), "client_gone");
}

TEST_P(SessionTest, PlainHttpIsRecognised) {
  Deliver("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(server_->failure()), "plain_http");
}

TEST_P(SessionTest, GarbageIsNotTls) {
  Deliver("\x01\x02\x03\x04\x05\x06\x07\x08garbage");
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(server_->failure()), "not_tls");
}

TEST_P(SessionTest, AClientThatIsTooOldSharesNoVersion) {
  client_ = std::make_unique<MemoryClient>(TLS1_1_VERSION);
  Deliver(client_->TakeOutput());
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(server_->failure()), "no_shared_version");
  EXPECT_EQ(client_->alert_received(), SSL_AD_PROTOCOL_VERSION);
}

TEST_P(SessionTest, AFatalAlertOfTheClientIsNamed) {
  Handshake();
  client_->SendAlert(SSL_AD_UNKNOWN_CA);
  Deliver(client_->TakeOutput());
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(server_->failure()), "client_alert:unknown_ca");
}

TEST_P(SessionTest, AnAlertInTheClearInPlaceOfTheClientsSecondFlightIsNamed) {
  Deliver(client_->TakeOutput());
  Deliver({0x15, 3, 3, 0, 2, SSL3_AL_FATAL, SSL_AD_UNKNOWN_CA});
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(server_->failure()), "client_alert:unknown_ca");
}

TEST_P(SessionTest, ACorruptRecordFailsAndTheClientReadsTheAlert) {
  Handshake();
  client_->Send("good");
  Deliver(client_->TakeOutput());
  client_->Send("this one is tampered with");
  std::string record = client_->TakeOutput();
  record.back() ^= 1;
  Deliver(record);
  EXPECT_EQ(received_, "good");
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(server_->failure()), "bad_record");
  EXPECT_EQ(client_->alert_received(), SSL_AD_BAD_RECORD_MAC);
}

TEST_P(SessionTest, InternalErrorIsAFatalAlertThatNoCloseNotifyFollows) {
  Handshake();
  server_->SendInternalError();
  server_->SendCloseNotify();
  DeliverOutput();
  EXPECT_EQ(client_->alert_received(), SSL_AD_INTERNAL_ERROR);
}

TEST_P(SessionTest, BeforeTheHandshakeNothingIsSaidOnClosing) {
  server_->SendCloseNotify();
  EXPECT_TRUE(staging_.output().empty());
}

TEST_P(SessionTest, SessionsOfOneWorkerDoNotMixTheirBytes) {
  Handshake();
  MemoryClient other_client(GetParam());
  auto other_server = ClientSession::Accept(Context(), &staging_);
  client_->Send("mine");
  const std::string records = client_->TakeOutput();
  // Half a record stays inside the first session while the other works.
  Deliver(records.substr(0, 10));
  const std::string hello = other_client.TakeOutput();
  other_server->Receive(Bytes(hello));
  const std::string output(staging_.output().begin(), staging_.output().end());
  staging_.ClearOutput();
  other_client.Receive(output);
  Deliver(records.substr(10));
  EXPECT_EQ(received_, "mine");
}

TEST(StagingTest, AnOutputLargerThanUsualIsGivenBackAndTheNextIsWhole) {
  Staging staging;
  auto server = ClientSession::Accept(Context(), &staging);
  MemoryClient client(TLS1_3_VERSION);
  while (!server->handshake_done()) {
    const std::string out = client.TakeOutput();
    server->Receive(Bytes(out));
    client.Receive(std::string(staging.output().begin(), staging.output().end()));
    staging.ClearOutput();
  }
  for (const size_t size : {size_t{500'000}, size_t{10}, size_t{100'000}}) {
    const std::string text(size, 't');
    const size_t before = client.received().size();
    ASSERT_TRUE(server->Send(Bytes(text)));
    client.Receive(std::string(staging.output().begin(), staging.output().end()));
    staging.ClearOutput();
    EXPECT_EQ(client.received().size() - before, size);
  }
}

INSTANTIATE_TEST_SUITE_P(Tls, SessionTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace tlsbridge::tls
