// Records that no library would send, though they decrypt: made here, with the keys of a client's
// session. Each is refused with an alert or understood, and no flood of them goes on for ever.

#include <openssl/aead.h>
#include <openssl/hkdf.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MemoryClient;

const uint8_t* Data(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

absl::Span<const uint8_t> Bytes(const std::string& text) { return {Data(text), text.size()}; }

std::string BigEndian(uint64_t number, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(number >> (8 * i)));
  return text;
}

// A client that notes its secret, and takes a cipher that Seal() below knows.
void PrepareForger(SSL_CTX* ctx, std::string* key_log) {
  SSL_CTX_set_app_data(ctx, key_log);
  SSL_CTX_set_strict_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
  SSL_CTX_set_keylog_callback(ctx, [](const SSL* ssl, const char* line) {
    auto* log = static_cast<std::string*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    absl::StrAppend(log, line, "\n");
  });
}

// Writes records as the client of a session would, from the first one after its handshake on.
class Forger {
 public:
  Forger(const SSL* ssl, const std::string& key_log)
      : tls13_(SSL_version(ssl) == TLS1_3_VERSION),
        sequence_(tls13_ ? 0 : SSL_get_write_sequence(ssl)) {
    const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
    const EVP_AEAD* aead = SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305
                               ? EVP_aead_chacha20_poly1305()
                               : EVP_aead_aes_128_gcm();
    const size_t key_length = EVP_AEAD_key_length(aead);
    std::string key;
    if (tls13_) {
      const EVP_MD* digest = EVP_sha256();  // of both ciphers
      const std::string secret = TrafficSecret(key_log);
      key = Expand(digest, secret, "key", key_length);
      iv_ = Expand(digest, secret, "iv", EVP_AEAD_nonce_length(aead));
    } else {
      // RFC 5246 section 6.3: both keys, then both implicit parts of the nonce.
      std::string block(SSL_get_key_block_len(ssl), '\0');
      EXPECT_EQ(SSL_generate_key_block(ssl, reinterpret_cast<uint8_t*>(block.data()), block.size()),
                1);
      key = block.substr(0, key_length);
      iv_ = block.substr(2 * key_length, 4);
    }
    EXPECT_EQ(EVP_AEAD_CTX_init(context_.get(), aead, Data(key), key.size(),
                                EVP_AEAD_DEFAULT_TAG_LENGTH, nullptr),
              1);
  }

  std::string Seal(uint8_t type, const std::string& content, size_t padding = 0) {
    const std::string sequence = BigEndian(sequence_++, 8);
    constexpr size_t kTag = 16;
    if (!tls13_) {
      const std::string header = absl::StrCat(std::string(1, static_cast<char>(type)), "\x03\x03");
      const std::string body = absl::StrCat(
          sequence, Encrypt(absl::StrCat(iv_, sequence), content,
                            absl::StrCat(sequence, header, BigEndian(content.size(), 2))));
      return absl::StrCat(header, BigEndian(body.size(), 2), body);
    }
    std::string nonce = iv_;
    for (size_t i = 0; i < sequence.size(); ++i) nonce[nonce.size() - 8 + i] ^= sequence[i];
    std::string inner = content;
    if (type != 0) inner.push_back(static_cast<char>(type));
    inner.append(padding, '\0');
    const std::string header = absl::StrCat("\x17\x03\x03", BigEndian(inner.size() + kTag, 2));
    return absl::StrCat(header, Encrypt(nonce, inner, header));
  }

 private:
  static std::string TrafficSecret(const std::string& key_log) {
    const size_t at = key_log.find("CLIENT_TRAFFIC_SECRET_0 ");
    const size_t from = key_log.find(' ', key_log.find(' ', at) + 1) + 1;
    return absl::HexStringToBytes(key_log.substr(from, key_log.find('\n', from) - from));
  }
  // HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context.
  static std::string Expand(const EVP_MD* digest, const std::string& secret,
                            const std::string& label, size_t length) {
    const std::string full = absl::StrCat("tls13 ", label);
    const std::string info =
        absl::StrCat(BigEndian(length, 2), BigEndian(full.size(), 1), full, std::string(1, '\0'));
    std::string out(length, '\0');
    EXPECT_EQ(HKDF_expand(reinterpret_cast<uint8_t*>(out.data()), length, digest, Data(secret),
                          secret.size(), Data(info), info.size()),
              1);
    return out;
  }
  std::string Encrypt(const std::string& nonce, const std::string& text,
                      const std::string& header) {
    std::string out(text.size() + EVP_AEAD_MAX_OVERHEAD, '\0');
    size_t length = 0;
    EXPECT_EQ(EVP_AEAD_CTX_seal(context_.get(), reinterpret_cast<uint8_t*>(out.data()), &length,
                                out.size(), Data(nonce), nonce.size(), Data(text), text.size(),
                                Data(header), header.size()),
              1);
    out.resize(length);
    return out;
  }

  const bool tls13_;
  uint64_t sequence_;
  std::string iv_;
  bssl::ScopedEVP_AEAD_CTX context_;
};

constexpr uint8_t kAlert = SSL3_RT_ALERT;
constexpr uint8_t kHandshake = SSL3_RT_HANDSHAKE;
constexpr uint8_t kData = SSL3_RT_APPLICATION_DATA;
// RFC 5246 section 6.2.1, RFC 8446 section 5.1.
constexpr size_t kMostPlaintext = 16384;
// BoringSSL's limit of records in a row that bring nothing forward.
constexpr int kMostEmptyRecords = 32;

const ServerContext& Context() {
  static const auto* const context = [] {
    auto identity = MakeDevelopmentIdentity(absl::UnixEpoch());
    return ServerContext::Create(identity->localhost)->release();
  }();
  return *context;
}

class ForgedRecordsTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  void Handshake() {
    for (int i = 0; i < 5 && !(client_.handshake_done() && server_->handshake_done()); ++i) {
      Deliver(client_.TakeOutput());
    }
    ASSERT_TRUE(client_.handshake_done());
    ASSERT_TRUE(server_->handshake_done());
    forger_ = std::make_unique<Forger>(client_.ssl(), key_log_);
  }
  Verdict Deliver(const std::string& ciphertext) {
    const Session::Received received = server_->Receive(Bytes(ciphertext));
    received_.append(received.plaintext.begin(), received.plaintext.end());
    const std::string output(staging_.output().begin(), staging_.output().end());
    staging_.ClearOutput();
    client_.Receive(output);
    return received.verdict;
  }
  Verdict Forge(uint8_t type, const std::string& content, size_t padding = 0) {
    return Deliver(forger_->Seal(type, content, padding));
  }
  // How many such records are taken, of a thousand.
  int Flood(uint8_t type, const std::string& content, size_t padding = 0) {
    int taken = 0;
    while (taken < 1000 && Forge(type, content, padding) != Verdict::kFailed) ++taken;
    return taken;
  }
  bool tls13() const { return GetParam() == TLS1_3_VERSION; }

  std::string key_log_;
  Staging staging_;
  MemoryClient client_{GetParam(), [this](SSL_CTX* ctx) { PrepareForger(ctx, &key_log_); }};
  std::unique_ptr<Session> server_ = ClientSession::Accept(Context(), &staging_);
  std::unique_ptr<Forger> forger_;
  std::string received_;
};

INSTANTIATE_TEST_SUITE_P(Versions, ForgedRecordsTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(ForgedRecordsTest, DataArrives) {
  Handshake();
  EXPECT_EQ(Forge(kData, "hello, "), Verdict::kWantRead);
  EXPECT_EQ(Forge(kData, "forger"), Verdict::kWantRead);
  EXPECT_EQ(received_, "hello, forger");
}

TEST_P(ForgedRecordsTest, AFloodOfEmptyDataIsRefused) {
  Handshake();
  EXPECT_EQ(Flood(kData, ""), kMostEmptyRecords);
  EXPECT_EQ(client_.alert_received(), SSL_AD_UNEXPECTED_MESSAGE);
  EXPECT_EQ(server_->failure().detail, FailureDetail::kBadRecord);
}

TEST_P(ForgedRecordsTest, AFloodOfEmptyDataInOneSegmentIsRefusedToo) {
  Handshake();
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += forger_->Seal(kData, "");
  EXPECT_EQ(Deliver(flood), Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_UNEXPECTED_MESSAGE);
}

TEST_P(ForgedRecordsTest, EmptyDataNowAndThenIsNoFault) {
  // RFC 5246 section 6.2.1 allows it against traffic analysis, as does RFC 8446 section 5.1.
  Handshake();
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    for (int j = 0; j < 20; ++j) EXPECT_EQ(Forge(kData, ""), Verdict::kWantRead);
    EXPECT_EQ(Forge(kData, "x"), Verdict::kWantRead);
    expected += "x";
  }
  EXPECT_EQ(received_, expected);
}

TEST_P(ForgedRecordsTest, ARecordAsLargeAsMayBeArrivesWhole) {
  Handshake();
  const std::string most(kMostPlaintext, 'm');
  EXPECT_EQ(Forge(kData, most), Verdict::kWantRead);
  EXPECT_EQ(received_, most);
}

TEST_P(ForgedRecordsTest, OneByteMoreIsTooMuch) {
  Handshake();
  EXPECT_EQ(Forge(kData, std::string(kMostPlaintext + 1, 'm')), Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_RECORD_OVERFLOW);
  EXPECT_EQ(server_->failure().detail, FailureDetail::kBadRecord);
  EXPECT_EQ(received_, "");
}

TEST_P(ForgedRecordsTest, PaddingIsTakenOffAndCountsForTheSize) {
  if (!tls13()) GTEST_SKIP() << "TLS 1.2 pads no AEAD records";
  Handshake();
  EXPECT_EQ(Forge(kData, "x", kMostPlaintext - 1), Verdict::kWantRead);
  EXPECT_EQ(received_, "x");
  EXPECT_EQ(Forge(kData, "y", kMostPlaintext), Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_RECORD_OVERFLOW);
}

TEST_P(ForgedRecordsTest, AFloodOfPaddingAloneIsRefused) {
  if (!tls13()) GTEST_SKIP() << "TLS 1.2 pads no AEAD records";
  Handshake();
  EXPECT_EQ(Flood(kData, "", /*padding=*/1000), kMostEmptyRecords);
  EXPECT_EQ(client_.alert_received(), SSL_AD_UNEXPECTED_MESSAGE);
}

TEST_P(ForgedRecordsTest, ARecordWithoutATypeIsRefused) {
  if (!tls13()) GTEST_SKIP() << "the type is part of the header";
  Handshake();
  // RFC 8446 section 5.4 wants unexpected_message; BoringSSL takes it for one that does not
  // decrypt.
  EXPECT_EQ(Forge(0, "", /*padding=*/20), Verdict::kFailed);
  EXPECT_GE(client_.alert_received(), 0);
}

TEST_P(ForgedRecordsTest, AnUnknownTypeIsRefused) {
  Handshake();
  EXPECT_EQ(Forge(99, "x"), Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_UNEXPECTED_MESSAGE);
}

TEST_P(ForgedRecordsTest, AFloodOfWarningsIsRefused) {
  Handshake();
  EXPECT_LE(Flood(kAlert, {SSL3_AL_WARNING, SSL_AD_USER_CANCELLED}), 4);
  EXPECT_GE(client_.alert_received(), 0);
}

TEST_P(ForgedRecordsTest, AnAlertInPiecesIsRefused) {
  Handshake();
  EXPECT_EQ(Forge(kAlert, std::string(1, SSL3_AL_WARNING)), Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_DECODE_ERROR);
}

TEST_P(ForgedRecordsTest, TwoAlertsInOneRecordAreRefused) {
  Handshake();
  EXPECT_EQ(Forge(kAlert, std::string("\x01\x5a\x01\x5a", 4)), Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_DECODE_ERROR);
}

TEST_P(ForgedRecordsTest, DataAfterCloseNotifyIsNotDelivered) {
  Handshake();
  const std::string before = forger_->Seal(kData, "before");
  const std::string end = forger_->Seal(kAlert, std::string("\x01\x00", 2));
  const std::string behind = forger_->Seal(kData, "behind");
  EXPECT_EQ(Deliver(before + end + behind), Verdict::kCleanEof);
  EXPECT_EQ(Forge(kData, "much later"), Verdict::kCleanEof);
  EXPECT_EQ(received_, "before");
  EXPECT_TRUE(server_->Send(Bytes("the answer still goes out")));
}

TEST_P(ForgedRecordsTest, NobodyMayRenegotiate) {
  if (tls13()) GTEST_SKIP() << "TLS 1.3 has no such thing";
  Handshake();
  EXPECT_EQ(Forge(kHandshake, std::string("\x01\0\0\x26", 4) + std::string(38, '\0')),
            Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_NO_RENEGOTIATION);
}

TEST_P(ForgedRecordsTest, AHandshakeMessageAfterTheHandshakeIsRefused) {
  if (!tls13()) GTEST_SKIP() << "see NobodyMayRenegotiate";
  Handshake();
  EXPECT_EQ(Forge(kHandshake, std::string("\x01\0\0\x26", 4) + std::string(38, '\0')),
            Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_UNEXPECTED_MESSAGE);
}

TEST_P(ForgedRecordsTest, AHandshakeMessageWithoutEndIsRefusedByItsHeader) {
  if (!tls13()) GTEST_SKIP() << "see NobodyMayRenegotiate";
  Handshake();
  EXPECT_EQ(Forge(kHandshake, "\x18\xff\xff\xff"), Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_ILLEGAL_PARAMETER);
}

TEST_P(ForgedRecordsTest, AKeyUpdateInPiecesIsUnderstood) {
  if (!tls13()) GTEST_SKIP() << "TLS 1.3 only";
  Handshake();
  for (const char byte : std::string("\x18\0\0\x01\0", 5)) {
    EXPECT_EQ(Forge(kHandshake, std::string(1, byte)), Verdict::kWantRead);
  }
  // The next record is under the next key, which this client does not have.
  EXPECT_EQ(Forge(kData, "under the old key"), Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_BAD_RECORD_MAC);
}

TEST_P(ForgedRecordsTest, DataBetweenThePiecesOfAMessageIsRefused) {
  if (!tls13()) GTEST_SKIP() << "TLS 1.3 only";
  Handshake();
  EXPECT_EQ(Forge(kHandshake, std::string("\x18\0", 2)), Verdict::kWantRead);
  EXPECT_EQ(Forge(kData, "x"), Verdict::kFailed);
  EXPECT_EQ(client_.alert_received(), SSL_AD_UNEXPECTED_MESSAGE);
}

TEST_P(ForgedRecordsTest, AFloodOfEmptyPiecesOfAMessageIsRefused) {
  if (!tls13()) GTEST_SKIP() << "TLS 1.3 only";
  Handshake();
  EXPECT_LE(Flood(kHandshake, ""), kMostEmptyRecords);
  EXPECT_EQ(client_.alert_received(), SSL_AD_UNEXPECTED_MESSAGE);
}

// ---- In the middle of the handshake, where records are in the clear.

TEST_P(ForgedRecordsTest, AFloodOfChangeCipherSpecInTheHandshakeIsRefused) {
  Deliver(client_.TakeOutput());
  int taken = 0;
  const std::string record("\x14\x03\x03\0\x01\x01", 6);
  while (taken < 1000 && Deliver(record) != Verdict::kFailed) ++taken;
  // RFC 8446 appendix D.4 has it ignored; in TLS 1.2 it comes too early (CVE-2014-0224).
  EXPECT_EQ(taken, tls13() ? kMostEmptyRecords : 0);
  EXPECT_EQ(server_->failure().detail,
            tls13() ? FailureDetail::kBadRecord : FailureDetail::kProtocol);
}

TEST_P(ForgedRecordsTest, AFloodOfEmptyRecordsInTheHandshakeIsRefused) {
  if (tls13()) GTEST_SKIP() << "whose records have a tag and are never empty";
  Deliver(client_.TakeOutput());
  int taken = 0;
  while (taken < 1000 && Deliver(std::string("\x16\x03\x03\0\0", 5)) != Verdict::kFailed) ++taken;
  EXPECT_LE(taken, kMostEmptyRecords);
  EXPECT_EQ(client_.alert_received(), SSL_AD_UNEXPECTED_MESSAGE);
}

}  // namespace
}  // namespace tlsbridge::tls
