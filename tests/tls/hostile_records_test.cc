// Records that a client may not send once the handshake is done, or not so many of: the alert that
// answers them, that it is the last that is sent, and that the work they cause is bounded.

#include <memory>
#include <string>

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

class HostileRecordsTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  void SetUp() override {
    for (int i = 0; i < 5 && !(client_.handshake_done() && server_->handshake_done()); ++i) {
      Deliver(client_.TakeOutput());
    }
    ASSERT_TRUE(client_.handshake_done());
    ASSERT_TRUE(server_->handshake_done());
  }
  Verdict Deliver(const std::string& ciphertext) {
    const Session::Received received = server_->Receive(Bytes(ciphertext));
    received_.append(received.plaintext.begin(), received.plaintext.end());
    const std::string output(staging_.output().begin(), staging_.output().end());
    output_bytes_ += output.size();
    staging_.ClearOutput();
    client_.Receive(output);
    return received.verdict;
  }
  // Delivers `record` until it is refused. How often that was; 100'000 if never.
  int DeliverUntilRefused(const std::string& record) {
    for (int i = 1; i < 100'000; ++i) {
      if (Deliver(record) == Verdict::kFailed) return i;
    }
    return 100'000;
  }
  // Nothing follows the alert, whatever else is tried.
  void ExpectLastWordWas(int alert) {
    EXPECT_EQ(client_.alert_received(), alert);
    output_bytes_ = 0;
    server_->SendCloseNotify();
    server_->SendInternalError();
    EXPECT_TRUE(staging_.output().empty());
  }
  bool tls13() const { return GetParam() == TLS1_3_VERSION; }

  Staging staging_;
  MemoryClient client_{GetParam()};
  std::unique_ptr<Session> server_ = ClientSession::Accept(Context(), &staging_);
  std::string received_;
  size_t output_bytes_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Versions, HostileRecordsTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(HostileRecordsTest, AFloodOfChangeCipherSpecIsRefusedAtOnce) {
  // RFC 8446 section 5 allows it during the handshake only. BoringSSL then takes it for one more
  // record to decrypt, so that the alert is not unexpected_message, as the RFC has it.
  EXPECT_LE(DeliverUntilRefused(std::string("\x14\x03\x03\0\x01\x01", 6)), 33);
  ExpectLastWordWas(SSL_AD_BAD_RECORD_MAC);
}

TEST_P(HostileRecordsTest, ARecordAboveTheLimitIsRefusedByItsHeader) {
  // RFC 8446 section 5.2: 2^14 + 256; RFC 5246 section 6.2.3: 2^14 + 2048.
  EXPECT_EQ(Deliver(std::string("\x17\x03\x03\x48\x01", 5)), Verdict::kFailed);
  ExpectLastWordWas(SSL_AD_RECORD_OVERFLOW);
}

TEST_P(HostileRecordsTest, ARecordThatDoesNotDecryptIsRefused) {
  EXPECT_EQ(Deliver(std::string("\x17\x03\x03\0\x20", 5) + std::string(32, 'x')), Verdict::kFailed);
  ExpectLastWordWas(SSL_AD_BAD_RECORD_MAC);
}

TEST_P(HostileRecordsTest, AnEmptyRecordOnTheWireIsRefused) {
  EXPECT_EQ(Deliver(std::string("\x17\x03\x03\0\0", 5)), Verdict::kFailed);
  EXPECT_NE(client_.alert_received(), -1);
  ExpectLastWordWas(client_.alert_received());
}

TEST_P(HostileRecordsTest, ARecordThatNeverEndsHoldsOneRecordAtMost) {
  EXPECT_EQ(Deliver(std::string("\x17\x03\x03\x40\0", 5)), Verdict::kWantRead);
  EXPECT_EQ(Deliver(std::string(0x3fff, 'x')), Verdict::kWantRead);
  EXPECT_EQ(Deliver("x"), Verdict::kFailed);
  ExpectLastWordWas(SSL_AD_BAD_RECORD_MAC);
}

TEST_P(HostileRecordsTest, WhatFollowsCloseNotifyIsNeitherReadNorAnswered) {
  client_.SendCloseNotify();
  EXPECT_EQ(Deliver(client_.TakeOutput()), Verdict::kCleanEof);
  output_bytes_ = 0;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(Deliver(std::string("\x17\x03\x03\0\x20", 5) + std::string(32, 'x')),
              Verdict::kCleanEof);
  }
  EXPECT_EQ(output_bytes_, 0u);
  EXPECT_EQ(received_, "");
}

TEST_P(HostileRecordsTest, AFloodOfKeyUpdatesIsRefusedAndAnswersStayFew) {
  if (!tls13()) return;
  output_bytes_ = 0;
  int sent = 0;
  Verdict verdict = Verdict::kOk;
  while (verdict != Verdict::kFailed && ++sent < 1000) {
    ASSERT_EQ(SSL_key_update(client_.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    // It leaves with the next data, which must not count as progress here: none is sent.
    client_.Send("");
    verdict = Deliver(client_.TakeOutput());
  }
  EXPECT_LE(sent, 40);
  EXPECT_LT(output_bytes_, 40u * 64u);
}

TEST_P(HostileRecordsTest, DataInRecordsOfOneByteArrivesWhole) {
  std::string expected;
  std::string records;
  for (int i = 0; i < 5000; ++i) {
    const std::string byte(1, static_cast<char>('a' + i % 26));
    client_.Send(byte);
    records += client_.TakeOutput();
    expected += byte;
  }
  for (size_t at = 0; at < records.size(); at += 10'000) {
    EXPECT_NE(Deliver(records.substr(at, 10'000)), Verdict::kFailed);
  }
  EXPECT_EQ(received_, expected);
}

}  // namespace
}  // namespace tlsbridge::tls
