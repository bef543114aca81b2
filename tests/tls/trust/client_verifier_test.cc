#include "tls/trust/client_verifier.h"

#include <openssl/nid.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tests/tls/test_certificates.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::CertificateShape;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::MemoryClient;
using ::tlsbridge::testing::TestCertificate;

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

class ClientVerifierTest : public ::testing::TestWithParam<uint16_t> {
 protected:
  ClientPolicy Policy(ClientCertificates mode, const std::vector<std::string>& allow = {}) const {
    ClientPolicy policy;
    policy.mode = mode;
    policy.ca_pem = ca_.CertificatePem();
    policy.ca_name = "ca.crt";
    policy.allow = allow;
    return policy;
  }
  static std::unique_ptr<ServerContext> Context(const ClientPolicy& policy) {
    static const auto* const identity = new auto(MakeDevelopmentIdentity(absl::UnixEpoch()));
    auto context = ServerContext::Create((*identity)->localhost, policy);
    EXPECT_TRUE(context.ok()) << context.status();
    return *std::move(context);
  }
  std::unique_ptr<ServerContext> Context(ClientCertificates mode,
                                         const std::vector<std::string>& allow = {}) const {
    return Context(Policy(mode, allow));
  }

  // A handshake with `certificate`, or none, and one byte each way. `resume` offers a session of
  // before.
  void Connect(const ServerContext& context, const TestCertificate* certificate,
               SSL_SESSION* resume = nullptr) {
    client_ = std::make_unique<MemoryClient>(
        GetParam(),
        [&](SSL_CTX* ctx) {
          SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
          SSL_CTX_sess_set_new_cb(ctx, [](SSL*, SSL_SESSION* session) {
            last_session_.reset(session);
            return 1;
          });
          ::tlsbridge::testing::OfferProtocols(ctx, names_);
          if (algorithm_ != 0) SSL_CTX_set_signing_algorithm_prefs(ctx, &algorithm_, 1);
          if (certificate == nullptr) return;
          SSL_CTX_use_certificate(ctx, certificate->certificate.get());
          SSL_CTX_use_PrivateKey(ctx, certificate->key.get());
          for (int i = 0; i < padding_; ++i) {
            SSL_CTX_add1_chain_cert(ctx, certificate->certificate.get());
          }
        },
        resume);
    server_ = ClientSession::Accept(context, &staging_);
    for (int i = 0; i < 6; ++i) {
      std::string out = client_->TakeOutput();
      if (i == 1 && !instead_.empty()) out = instead_;
      if (i == 1 && forge_) Forge(&out);
      if (!out.empty()) verdict_ = server_->Receive(Bytes(out)).verdict;
      if (server_->handshake_done() && i == 4) server_->Send(Bytes("x"));
      client_->Receive(std::string(staging_.output().begin(), staging_.output().end()));
      staging_.ClearOutput();
    }
  }
  // Changes the last byte of the client's signature; with TLS 1.3 of all, which is encrypted.
  static void Forge(std::string* flight) {
    const size_t change_cipher_spec = flight->find(std::string("\x14\x03\x03\0\x01\x01", 6));
    const bool is_plain = GetParam() == TLS1_2_VERSION;
    ASSERT_TRUE(!is_plain || change_cipher_spec != std::string::npos);
    (*flight)[(is_plain ? change_cipher_spec : flight->size()) - 1] ^= 1;
  }
  void ExpectRefused(const std::string& detail, int alert) {
    EXPECT_FALSE(server_->handshake_done());
    EXPECT_EQ(verdict_, Verdict::kFailed);
    EXPECT_EQ(Describe(server_->failure()), detail);
    EXPECT_EQ(client_->alert_received(), alert);
  }

  // A Certificate message of TLS 1.2 in a record (RFC 5246 section 7.4.2).
  static std::string CertificateRecord(const TestCertificate& certificate) {
    uint8_t* der = nullptr;
    const int bytes = i2d_X509(certificate.certificate.get(), &der);
    const bssl::UniquePtr<uint8_t> owned(der);
    std::string text(reinterpret_cast<const char*>(der), static_cast<size_t>(bytes));
    const auto prefix = [&text](int size) {
      const size_t length = text.size();
      for (int i = 0; i < size; ++i) text.insert(0, 1, static_cast<char>(length >> (8 * i)));
    };
    for (int i = 0; i < 3; ++i) prefix(3);  // the certificate, the list, the message
    text.insert(0, 1, SSL3_MT_CERTIFICATE);
    prefix(2);
    return "\x16\x03\x03" + text;
  }

  static bssl::UniquePtr<SSL_SESSION> last_session_;
  std::string instead_;     // of the client's second flight
  int padding_ = 0;         // certificates that the client sends for nothing
  size_t names_ = 0;        // of protocols, which make the client's hello longer
  uint16_t algorithm_ = 0;  // that the client signs with; 0 for what it likes
  bool forge_ = false;      // one bit of what the client signed
  Staging staging_;
  const TestCertificate ca_ = MakeCertificate({.common_name = "clients' CA", .ca = true}, nullptr);
  const TestCertificate good_ = MakeCertificate(
      {.common_name = "orders", .alternative_names = "URI:spiffe://prod/ns/a/sa/api"}, &ca_);
  std::unique_ptr<MemoryClient> client_;
  std::unique_ptr<ClientSession> server_;
  Verdict verdict_ = Verdict::kOk;
};

bssl::UniquePtr<SSL_SESSION> ClientVerifierTest::last_session_;

TEST_P(ClientVerifierTest, ACertificateOfTheCaIsLetInAndNamed) {
  Connect(*Context(ClientCertificates::kRequired), &good_);
  EXPECT_TRUE(server_->handshake_done());
  EXPECT_EQ(server_->client_identity(), "spiffe://prod/ns/a/sa/api");
  EXPECT_EQ(server_->allowed_by(), "any");
}

TEST_P(ClientVerifierTest, TheRuleThatLetsItInIsNamed) {
  Connect(*Context(ClientCertificates::kRequired, {"cn:billing", "uri:spiffe://prod/**"}), &good_);
  EXPECT_TRUE(server_->handshake_done());
  EXPECT_EQ(server_->allowed_by(), "uri:spiffe://prod/**");
}

TEST_P(ClientVerifierTest, OfSeveralNamesTheOneIsToldThatTheRuleMatched) {
  const TestCertificate two = MakeCertificate(
      {.common_name = "x", .alternative_names = "URI:urn://x/admin,URI:urn://x/orders"}, &ca_);
  Connect(*Context(ClientCertificates::kRequired, {"uri:urn://x/orders"}), &two);
  ASSERT_TRUE(server_->handshake_done());
  EXPECT_EQ(server_->client_identity(), "urn://x/orders");
  EXPECT_EQ(server_->client()->uri, "urn://x/orders");
  EXPECT_EQ(server_->client()->common_name, "x");
  Connect(*Context(ClientCertificates::kRequired, {"cn:x"}), &two);
  ASSERT_TRUE(server_->handshake_done());
  EXPECT_EQ(server_->client()->uri, "") << "either could be meant";
}

TEST_P(ClientVerifierTest, ACertificateWithTwoSpiffeIdsIsRefusedByARuleForOne) {
  const TestCertificate two = MakeCertificate(
      {.alternative_names = "URI:spiffe://prod/admin,URI:spiffe://prod/orders"}, &ca_);
  Connect(*Context(ClientCertificates::kRequired, {"uri:spiffe://prod/orders"}), &two);
  ExpectRefused("bad_client_cert:several_uris", SSL_AD_ACCESS_DENIED);
}

TEST_P(ClientVerifierTest, EveryKindOfKeyThatWeTakeAndEd25519MayBeShown) {
  const CertificateShape kShapes[] = {
      {.common_name = "P-256"},
      {.common_name = "P-384", .curve = NID_secp384r1},
      {.common_name = "P-521", .curve = NID_secp521r1},
      {.common_name = "Ed25519", .ed25519 = true},
      {.common_name = "RSA", .rsa = true},
  };
  const auto context = Context(ClientCertificates::kRequired);
  for (const CertificateShape& shape : kShapes) {
    const TestCertificate client = MakeCertificate(shape, &ca_);
    Connect(*context, &client);
    EXPECT_TRUE(server_->handshake_done())
        << shape.common_name << ": " << Describe(server_->failure());
    EXPECT_EQ(server_->client_identity(), shape.common_name);
  }
}

// What was said is kept no longer than some KiB, and is hashed by what may sign it.
TEST_P(ClientVerifierTest, ALongHandshakeMayBeSignedByEveryAlgorithmOfADigest) {
  struct Case {
    CertificateShape shape;
    std::vector<uint16_t> algorithms;
  };
  const Case kCases[] = {
      {{.common_name = "P-256"}, {SSL_SIGN_ECDSA_SECP256R1_SHA256}},
      {{.common_name = "P-384", .curve = NID_secp384r1}, {SSL_SIGN_ECDSA_SECP384R1_SHA384}},
      {{.common_name = "P-521", .curve = NID_secp521r1}, {SSL_SIGN_ECDSA_SECP521R1_SHA512}},
      {{.common_name = "RSA", .rsa = true},
       {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA512}},
  };
  names_ = 7000;
  const auto context = Context(ClientCertificates::kRequired);
  for (const Case& each : kCases) {
    const TestCertificate client = MakeCertificate(each.shape, &ca_);
    for (const uint16_t algorithm : each.algorithms) {
      for (const bool forged : {false, true}) {
        algorithm_ = algorithm;
        forge_ = forged;
        Connect(*context, &client);
        const std::string name =
            absl::StrCat(SSL_get_signature_algorithm_name(algorithm, 1), forged ? ", forged" : "");
        EXPECT_EQ(server_->handshake_done(), !forged) << name << Describe(server_->failure());
        if (!forged) continue;
        EXPECT_EQ(client_->alert_received(),
                  GetParam() == TLS1_2_VERSION ? SSL_AD_DECRYPT_ERROR : SSL_AD_BAD_RECORD_MAC)
            << name;
      }
    }
  }
}

TEST_P(ClientVerifierTest, Ed25519SignsNoDigestAndThereforeNoLongHandshakeOfTls12) {
  const TestCertificate client = MakeCertificate({.common_name = "x", .ed25519 = true}, &ca_);
  names_ = 7000;
  Connect(*Context(ClientCertificates::kRequired), &client);
  EXPECT_EQ(server_->handshake_done(), GetParam() == TLS1_3_VERSION);
  names_ = 1000;
  Connect(*Context(ClientCertificates::kRequired), &client);
  EXPECT_TRUE(server_->handshake_done()) << Describe(server_->failure());
}

TEST_P(ClientVerifierTest, NoSha1IsOfferedAndNoneAccepted) {
  static std::vector<uint16_t> offered;
  offered.clear();
  const auto context = Context(ClientCertificates::kRequired);
  const TestCertificate rsa = MakeCertificate({.rsa = true}, &ca_);
  MemoryClient client(GetParam(), [&](SSL_CTX* ctx) {
    SSL_CTX_use_certificate(ctx, rsa.certificate.get());
    SSL_CTX_use_PrivateKey(ctx, rsa.key.get());
    SSL_CTX_set_cert_cb(
        ctx,
        [](SSL* ssl, void*) {
          const uint16_t* list = nullptr;
          const size_t count = SSL_get0_peer_verify_algorithms(ssl, &list);
          offered.assign(list, list + count);
          return 1;
        },
        nullptr);
  });
  server_ = ClientSession::Accept(*context, &staging_);
  server_->Receive(Bytes(client.TakeOutput()));
  client.Receive(std::string(staging_.output().begin(), staging_.output().end()));
  ASSERT_FALSE(offered.empty());
  for (const uint16_t algorithm : offered) {
    EXPECT_NE(algorithm, SSL_SIGN_RSA_PKCS1_SHA1);
    EXPECT_NE(algorithm, SSL_SIGN_ECDSA_SHA1);
  }
  EXPECT_NE(std::find(offered.begin(), offered.end(), SSL_SIGN_ED25519), offered.end());
}

TEST_P(ClientVerifierTest, ACertificateWithAWeakKeyIsToldFromNone) {
  const TestCertificate weak = MakeCertificate({.rsa = true, .rsa_bits = 1024}, &ca_);
  Connect(*Context(ClientCertificates::kRequired), &weak);
  ExpectRefused("bad_client_cert:weak_key", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(ClientVerifierTest, ACertificateWithAKeyThatNobodyKnowsIsToldFromNone) {
  if (GetParam() == TLS1_3_VERSION) GTEST_SKIP() << "nobody can exchange what is encrypted";
  const TestCertificate p224 = MakeCertificate({.curve = NID_secp224r1}, &ca_);
  // BoringSSL's client sends only certificates that it can sign with, so that it is exchanged.
  instead_ = CertificateRecord(p224);
  Connect(*Context(ClientCertificates::kRequired), &good_);
  ExpectRefused("bad_client_cert:unsupported_key", SSL_AD_DECODE_ERROR);
}

TEST_P(ClientVerifierTest, MoreNamesOfCasThanATlsMessageHoldsAreNotSent) {
  ClientPolicy policy = Policy(ClientCertificates::kRequired);
  const TestCertificate long_name =
      MakeCertificate({.common_name = std::string(64, 'c'), .ca = true}, nullptr);
  const std::string pem = long_name.CertificatePem();
  for (int i = 0; i < 900; ++i) policy.ca_pem += pem;
  EXPECT_FALSE((*ClientVerifier::Create(policy))->tells_cas());
  Connect(*Context(policy), &good_);
  EXPECT_TRUE(server_->handshake_done()) << Describe(server_->failure());
  EXPECT_TRUE((*ClientVerifier::Create(Policy(ClientCertificates::kRequired)))->tells_cas());
}

TEST_P(ClientVerifierTest, ACertificateThatNoRuleAllowsIsDenied) {
  Connect(*Context(ClientCertificates::kRequired, {"cn:billing"}), &good_);
  ExpectRefused("bad_client_cert:not_allowed", SSL_AD_ACCESS_DENIED);
  EXPECT_EQ(server_->refused_identity(), "spiffe://prod/ns/a/sa/api");
  EXPECT_EQ(server_->client_identity(), "") << "nobody vouches for it";
}

TEST_P(ClientVerifierTest, TheNameOfOneThatIsRefusedIsNotKeptWhole) {
  const TestCertificate stranger =
      MakeCertificate({.alternative_names = "URI:urn:" + std::string(2000, 'x')}, nullptr);
  Connect(*Context(ClientCertificates::kRequired), &stranger);
  ExpectRefused("bad_client_cert:untrusted", SSL_AD_UNKNOWN_CA);
  EXPECT_EQ(server_->refused_identity().size(), ClientSession::kMaxRefusedIdentity);
}

TEST_P(ClientVerifierTest, NoCertificateIsRefusedWhereOneIsRequired) {
  Connect(*Context(ClientCertificates::kRequired), nullptr);
  ExpectRefused("no_client_cert", GetParam() == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED
                                                               : SSL_AD_HANDSHAKE_FAILURE);
}

TEST_P(ClientVerifierTest, NoCertificateIsLetInWhereItIsOptionalButABadOneIsNot) {
  const auto context = Context(ClientCertificates::kOptional);
  Connect(*context, nullptr);
  EXPECT_TRUE(server_->handshake_done());
  EXPECT_EQ(server_->client_identity(), "");
  const TestCertificate stranger = MakeCertificate({}, nullptr);
  Connect(*context, &stranger);
  ExpectRefused("bad_client_cert:untrusted", SSL_AD_UNKNOWN_CA);
}

TEST_P(ClientVerifierTest, ACertificateOfAnotherCaOfTheSameNameIsUntrusted) {
  const TestCertificate other_ca =
      MakeCertificate({.common_name = "clients' CA", .ca = true}, nullptr);
  const TestCertificate forged = MakeCertificate({.common_name = "orders"}, &other_ca);
  Connect(*Context(ClientCertificates::kRequired), &forged);
  ExpectRefused("bad_client_cert:untrusted", SSL_AD_UNKNOWN_CA);
}

TEST_P(ClientVerifierTest, AnExpiredCertificateIsRefused) {
  const TestCertificate expired =
      MakeCertificate({.not_after = absl::FromUnixSeconds(1'000'000'000)}, &ca_);
  Connect(*Context(ClientCertificates::kRequired), &expired);
  ExpectRefused("bad_client_cert:expired", SSL_AD_CERTIFICATE_EXPIRED);
}

TEST_P(ClientVerifierTest, ACertificateThatIsNotYetValidIsRefused) {
  const TestCertificate early = MakeCertificate({.not_before = absl::FromUnixSeconds(4'000'000'000),
                                                 .not_after = absl::FromUnixSeconds(4'100'000'000)},
                                                &ca_);
  Connect(*Context(ClientCertificates::kRequired), &early);
  ExpectRefused("bad_client_cert:not_yet_valid", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(ClientVerifierTest, AServersCertificateIsNoClients) {
  const TestCertificate server = MakeCertificate({.extended_usage = "serverAuth"}, &ca_);
  Connect(*Context(ClientCertificates::kRequired), &server);
  ExpectRefused("bad_client_cert:wrong_purpose", SSL_AD_UNSUPPORTED_CERTIFICATE);
}

TEST_P(ClientVerifierTest, AResumedSessionKnowsItsClientAndIsJudgedByTheSameRules) {
  const auto context = Context(ClientCertificates::kRequired, {"cn:orders"});
  last_session_.reset();
  Connect(*context, &good_);
  ASSERT_NE(last_session_, nullptr);
  bssl::UniquePtr<SSL_SESSION> session = std::move(last_session_);
  Connect(*context, nullptr, session.get());
  ASSERT_TRUE(server_->handshake_done());
  EXPECT_TRUE(server_->resumed());
  EXPECT_EQ(server_->client_identity(), "orders");
  EXPECT_EQ(server_->allowed_by(), "cn:orders");
  EXPECT_EQ(server_->client()->uri, "spiffe://prod/ns/a/sa/api") << "there is no other";
}

TEST_P(ClientVerifierTest, AResumedSessionWhoseClientIsNoLongerTrustedIsRefused) {
  const auto context = Context(ClientCertificates::kRequired);
  // Two seconds are left when it connects first.
  const TestCertificate brief = MakeCertificate({.lives_for = absl::Seconds(2)}, &ca_);
  last_session_.reset();
  Connect(*context, &brief);
  ASSERT_TRUE(server_->handshake_done());
  ASSERT_NE(last_session_, nullptr);
  bssl::UniquePtr<SSL_SESSION> session = std::move(last_session_);
  while (X509_cmp_current_time(X509_get0_notAfter(brief.certificate.get())) > 0) {
    std::this_thread::yield();
  }
  Connect(*context, nullptr, session.get());
  ExpectRefused("bad_client_cert:expired", SSL_AD_CERTIFICATE_EXPIRED);
}

TEST_P(ClientVerifierTest, ARevokedCertificateIsRefusedAndAnotherOfTheSameCaIsNot) {
  ClientPolicy policy = Policy(ClientCertificates::kRequired);
  const TestCertificate other = MakeCertificate({.common_name = "billing"}, &ca_);
  policy.crl_pem = ca_.CrlPem({&good_});
  const auto context = Context(policy);
  Connect(*context, &good_);
  ExpectRefused("bad_client_cert:revoked", SSL_AD_CERTIFICATE_REVOKED);
  Connect(*context, &other);
  EXPECT_TRUE(server_->handshake_done());
}

TEST_P(ClientVerifierTest, AResumedSessionWhoseCertificateWasRevokedSinceIsRefused) {
  ClientPolicy policy = Policy(ClientCertificates::kRequired);
  const auto before = Context(policy);
  policy.crl_pem = ca_.CrlPem({&good_});
  const auto after = Context(policy);
  uint8_t keys[48];
  ASSERT_EQ(SSL_CTX_get_tlsext_ticket_keys(before->ssl_ctx(), keys, sizeof(keys)), 1);
  ASSERT_EQ(SSL_CTX_set_tlsext_ticket_keys(after->ssl_ctx(), keys, sizeof(keys)), 1);
  last_session_.reset();
  Connect(*before, &good_);
  ASSERT_NE(last_session_, nullptr);
  bssl::UniquePtr<SSL_SESSION> session = std::move(last_session_);
  Connect(*after, nullptr, session.get());
  ExpectRefused("bad_client_cert:revoked", SSL_AD_CERTIFICATE_REVOKED);
}

TEST_P(ClientVerifierTest, MoreCertificatesThanAreReadEndTheHandshake) {
  const auto context = Context(ClientCertificates::kRequired);
  padding_ = 20;
  Connect(*context, &good_);
  EXPECT_TRUE(server_->handshake_done());
  padding_ = 200;
  Connect(*context, &good_);
  ExpectRefused("protocol_error", SSL_AD_ILLEGAL_PARAMETER);
}

TEST_P(ClientVerifierTest, ObserveOnlyLetsInWhomItWouldRefuseAndSaysWhy) {
  ClientPolicy policy = Policy(ClientCertificates::kRequired, {"cn:billing"});
  policy.observe_only = true;
  const TestCertificate allowed = MakeCertificate({.common_name = "billing"}, &ca_);
  const TestCertificate stranger = MakeCertificate({.common_name = "billing"}, nullptr);
  const auto context = Context(policy);
  const auto would_refuse = [&](const TestCertificate* certificate) {
    Connect(*context, certificate);
    EXPECT_TRUE(server_->handshake_done() && client_->handshake_done());
    EXPECT_EQ(client_->received(), "x");
    EXPECT_EQ(server_->failure().detail, FailureDetail::kNone);
    EXPECT_EQ(server_->allowed_by(), certificate == &allowed ? "cn:billing" : "");
    return Describe(server_->would_refuse());
  };
  EXPECT_EQ(would_refuse(&good_), "bad_client_cert:not_allowed");
  EXPECT_EQ(server_->client_identity(), "spiffe://prod/ns/a/sa/api");
  EXPECT_EQ(would_refuse(&stranger), "bad_client_cert:untrusted");
  EXPECT_EQ(would_refuse(nullptr), "no_client_cert");
  EXPECT_EQ(would_refuse(&allowed), "none");
}

TEST_P(ClientVerifierTest, ObserveOnlyJudgesResumedSessionsToo) {
  ClientPolicy policy = Policy(ClientCertificates::kRequired, {"cn:billing"});
  policy.observe_only = true;
  const auto context = Context(policy);
  last_session_.reset();
  Connect(*context, &good_);
  ASSERT_NE(last_session_, nullptr);
  bssl::UniquePtr<SSL_SESSION> session = std::move(last_session_);
  Connect(*context, nullptr, session.get());
  EXPECT_TRUE(server_->resumed());
  EXPECT_EQ(Describe(server_->would_refuse()), "bad_client_cert:not_allowed");
}

TEST_P(ClientVerifierTest, ATicketOfObserveOnlyIsWorthNothingOnceThePolicyIsEnforced) {
  ClientPolicy policy = Policy(ClientCertificates::kRequired);
  const auto enforced = Context(policy);
  policy.observe_only = true;
  const auto observing = Context(policy);
  uint8_t keys[48];
  ASSERT_EQ(SSL_CTX_get_tlsext_ticket_keys(observing->ssl_ctx(), keys, sizeof(keys)), 1);
  ASSERT_EQ(SSL_CTX_set_tlsext_ticket_keys(enforced->ssl_ctx(), keys, sizeof(keys)), 1);
  last_session_.reset();
  Connect(*observing, nullptr);
  ASSERT_NE(last_session_, nullptr);
  bssl::UniquePtr<SSL_SESSION> session = std::move(last_session_);
  Connect(*enforced, nullptr, session.get());
  EXPECT_FALSE(server_->handshake_done());
  EXPECT_EQ(Describe(server_->failure()), "no_client_cert");
}

TEST(ClientPolicyTest, WhatIsNoBundleOfCasIsRefused) {
  auto identity = MakeDevelopmentIdentity(absl::UnixEpoch());
  const auto message = [&identity](const std::string& pem, const std::vector<std::string>& allow) {
    return std::string(ServerContext::Create(identity->localhost,
                                             {ClientCertificates::kRequired, pem, "ca.crt", allow})
                           .status()
                           .message());
  };
  const TestCertificate ca = MakeCertificate({.common_name = "ca", .ca = true}, nullptr);
  const TestCertificate leaf = MakeCertificate({}, &ca);
  EXPECT_EQ(message("", {}), "ca.crt: holds no PEM certificate (no BEGIN CERTIFICATE line)");
  EXPECT_EQ(message(ca.CertificatePem() + leaf.CertificatePem(), {}),
            "ca.crt: certificate 2 in it is not that of a CA");
  EXPECT_EQ(message(ca.CertificatePem(), {"cn:"}), "rule 'cn:': missing pattern");
  EXPECT_EQ(message(ca.CertificatePem(), {"cn:x"}), "");
}

INSTANTIATE_TEST_SUITE_P(Tls, ClientVerifierTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace tlsbridge::tls
