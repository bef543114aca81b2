// Bytes and ends of sessions with backends.

#include <string>

#include "gtest/gtest.h"
#include "tests/tls/backend_session_fixture.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MemoryServer;

class BackendSessionTest : public BackendSessionFixture {};

// A backend that speaks "h2", whatever it is offered.
void SpeakH2(SSL_CTX* ctx) {
  SSL_CTX_set_alpn_select_cb(
      ctx,
      [](SSL*, const uint8_t** out, uint8_t* out_length, const uint8_t*, unsigned, void*) {
        *out = reinterpret_cast<const uint8_t*>("h2");
        *out_length = 2;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
}

TEST_P(BackendSessionTest, StartPutsTheClientHelloIntoTheOutput) {
  session_ = BackendSession::Connect(Context(Options()), &staging_, "b");
  EXPECT_TRUE(staging_.output().empty());
  EXPECT_EQ(session_->Start(), Verdict::kWantRead);
  ASSERT_GT(staging_.output().size(), 5u);
  EXPECT_EQ(staging_.output()[0], SSL3_RT_HANDSHAKE);
  EXPECT_FALSE(session_->handshake_done());
}

TEST_P(BackendSessionTest, AnyPieceSizeGivesTheSameBytesBothWays) {
  const auto context = Context(Options());
  const auto server = BackendWith(good_);
  const std::string question(40'000, 'q');
  const std::string answer(50'000, 'a');
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, kAtOnce}) {
    Connect(context, server.get(), piece);
    ASSERT_TRUE(session_->handshake_done()) << Describe(session_->failure());
    ASSERT_TRUE(backend_->handshake_done());
    ASSERT_TRUE(session_->Send(Bytes(question)));
    Exchange(piece);
    EXPECT_EQ(backend_->received(), question) << "in pieces of " << piece;
    backend_->Send(answer);
    Exchange(piece);
    EXPECT_EQ(received_, answer) << "in pieces of " << piece;
    backend_->SendCloseNotify();
    Exchange(piece);
    EXPECT_EQ(verdict_, Verdict::kCleanEof);
  }
}

TEST_P(BackendSessionTest, TellsTheFactsOfTheHandshake) {
  BackendOptions options = Options();
  options.alpn = {"h2", "http/1.1"};
  const auto server = BackendWith(good_);
  SpeakH2(server.get());
  Connect(Context(options), server.get(), kAtOnce, "b", "\x02h2");
  EXPECT_EQ(session_->alpn(), "h2");
  EXPECT_STREQ(session_->version(), Tls13() ? "TLSv1.3" : "TLSv1.2");
  EXPECT_NE(std::string(session_->cipher()).find("GCM"), std::string::npos);
  EXPECT_FALSE(session_->resumed());
  EXPECT_EQ(session_->server_name(), "orders.internal");
  EXPECT_STREQ(SSL_get_servername(backend_->ssl(), TLSEXT_NAMETYPE_host_name), "orders.internal");
}

TEST_P(BackendSessionTest, ABackendIsOfferedWhatWasAgreedOnWithTheClientIfItMayBe) {
  BackendOptions options = Options();
  EXPECT_EQ(Context(options)->Offer("h2"), "") << "nothing is allowed";
  options.alpn = {"h2", "http/1.1"};
  const auto context = Context(options);
  EXPECT_EQ(context->Offer("h2"), "\x02h2");
  EXPECT_EQ(context->Offer("http/1.1"), "\x08http/1.1");
  EXPECT_EQ(context->Offer("spdy/3"), "");
  EXPECT_EQ(context->Offer(""), "") << "nothing was agreed on";
  EXPECT_EQ(context->alpn(), "\x02h2\x08http/1.1");
}

TEST_P(BackendSessionTest, ABackendThatPicksNoProtocolIsServed) {
  Connect(Context(Options()), BackendWith(good_).get(), kAtOnce, "b", "\x02h2");
  EXPECT_TRUE(session_->handshake_done());
  EXPECT_EQ(session_->alpn(), "");
}

TEST_P(BackendSessionTest, ABackendThatPicksAnotherProtocolIsNot) {
  const auto server = BackendWith(good_);
  SpeakH2(server.get());
  Connect(Context(Options()), server.get(), kAtOnce, "b", "\x08http/1.1");
  EXPECT_FALSE(session_->handshake_done());
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(session_->failure()), "protocol_error");
}

TEST_P(BackendSessionTest, WhatAnotherSessionLeftInTheOutputNeverLeavesWithItsRecords) {
#ifndef NDEBUG
  GTEST_SKIP() << "the call would abort, as a mistake of ours";
#endif
  ConnectTo(good_, Options());
  TakeOutput();
  ASSERT_TRUE(session_->Send(Bytes("left behind")));
  ASSERT_TRUE(session_->Send(Bytes("next")));
  const size_t one = staging_.output().size();
  TakeOutput();
  ASSERT_TRUE(session_->Send(Bytes("next")));
  EXPECT_EQ(staging_.output().size(), one);
}

TEST_P(BackendSessionTest, EachDirectionClosesByItself) {
  ConnectTo(good_, Options());
  session_->SendCloseNotify();
  Exchange();
  EXPECT_TRUE(backend_->close_notify_received());
  backend_->Send("the rest of the answer");
  backend_->SendCloseNotify();
  Exchange();
  EXPECT_EQ(received_, "the rest of the answer");
  EXPECT_EQ(verdict_, Verdict::kCleanEof);
  EXPECT_EQ(session_->ReceiveEof(), Verdict::kCleanEof);
}

TEST_P(BackendSessionTest, ABackendThatEndsWithoutCloseNotifyHasTruncated) {
  ConnectTo(good_, Options());
  backend_->Send("half");
  Exchange();
  EXPECT_EQ(received_, "half");
  EXPECT_EQ(session_->ReceiveEof(), Verdict::kTruncated);
}

TEST_P(BackendSessionTest, AnEofInTheHandshakeIsABackendThatHasGone) {
  for (const bool answered : {false, true}) {
    backend_ = std::make_unique<MemoryServer>(BackendWith(good_).get());
    session_ = BackendSession::Connect(Context(Options()), &staging_, "b");
    session_->Start();
    if (answered) {
      backend_->Receive(std::string(staging_.output().begin(), staging_.output().end()));
      Deliver(backend_->TakeOutput().substr(0, 50));
    }
    staging_.ClearOutput();
    EXPECT_EQ(session_->ReceiveEof(), Verdict::kFailed);
    EXPECT_EQ(Describe(session_->failure()), "backend_gone");
  }
}

TEST_P(BackendSessionTest, AnAlertOfTheBackendIsNamed) {
  ConnectTo(good_, Options());
  backend_->SendAlert(SSL_AD_INTERNAL_ERROR);
  Exchange();
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(session_->failure()), "backend_alert:internal_error");
}

TEST_P(BackendSessionTest, ABackendWithoutOurVersionSaysSo) {
  const auto server = BackendWith(good_);
  const uint16_t other = Tls13() ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(server.get(), Tls13() ? TLS1_VERSION : other);
  SSL_CTX_set_max_proto_version(server.get(), other);
  Connect(Context(Options()), server.get());
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(session_->failure()), "backend_alert:protocol_version");
}

TEST_P(BackendSessionTest, ABackendThatSpeaksNoTlsIsRecognised) {
  session_ = BackendSession::Connect(Context(Options()), &staging_, "b");
  session_->Start();
  Deliver("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(session_->failure()), "not_tls");
}

TEST_P(BackendSessionTest, ACorruptRecordFailsAndTheBackendReadsTheAlert) {
  ConnectTo(good_, Options());
  backend_->Send("tampered with");
  std::string record = backend_->TakeOutput();
  record.back() ^= 1;
  Deliver(record);
  Exchange();
  EXPECT_EQ(received_, "");
  EXPECT_EQ(Describe(session_->failure()), "bad_record");
  EXPECT_EQ(backend_->alert_received(), SSL_AD_BAD_RECORD_MAC);
}

TEST_P(BackendSessionTest, AKeyUpdateIsFollowedAndAnswered) {
  if (!Tls13()) GTEST_SKIP() << "TLS 1.2 has none";
  ConnectTo(good_, Options());
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(SSL_key_update(backend_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    backend_->Send("new keys");
    Exchange();
    ASSERT_TRUE(session_->Send(Bytes("same here")));
    Exchange();
  }
  EXPECT_EQ(received_, "new keysnew keysnew keys");
  EXPECT_EQ(backend_->received(), "same heresame heresame here");
}

INSTANTIATE_TEST_SUITE_P(Tls, BackendSessionTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         NameOfVersion);

}  // namespace
}  // namespace tlsbridge::tls
