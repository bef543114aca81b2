// Which backends a session trusts, and what it shows them.

#include <openssl/nid.h>
#include <openssl/x509.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/tls/backend_session_fixture.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

class BackendVerificationTest : public BackendSessionFixture {};

TEST_P(BackendVerificationTest, ServerNameMayDifferFromTheNameThatIsVerified) {
  BackendOptions options = Options();
  options.server_name = "Other.internal";
  ConnectTo(good_, options);
  EXPECT_TRUE(session_->handshake_done());
  EXPECT_STREQ(SSL_get_servername(backend_->ssl(), TLSEXT_NAMETYPE_host_name), "other.internal");
}

TEST_P(BackendVerificationTest, AnIpAddressIsVerifiedAsOneAndSendsNoServerName) {
  ConnectTo(good_, Options("10.0.0.7"));
  EXPECT_TRUE(session_->handshake_done());
  EXPECT_EQ(SSL_get_servername(backend_->ssl(), TLSEXT_NAMETYPE_host_name), nullptr);
  ConnectTo(good_, Options("10.0.0.8"));
  ExpectRefused("bad_backend_cert:wrong_name", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(BackendVerificationTest, AWildcardIsOneLabel) {
  ConnectTo(good_, Options("a.wild.internal"));
  EXPECT_TRUE(session_->handshake_done());
  ConnectTo(good_, Options("a.b.wild.internal"));
  ExpectRefused("bad_backend_cert:wrong_name", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(BackendVerificationTest, ACertificateForAnotherNameIsRefused) {
  ConnectTo(good_, Options("billing.internal"));
  ExpectRefused("bad_backend_cert:wrong_name", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(BackendVerificationTest, ACommonNameIsNoNameOfAHost) {
  const TestCertificate common_name_only =
      MakeCertificate({.common_name = "orders.internal", .extended_usage = "serverAuth"}, &ca_);
  ConnectTo(common_name_only, Options());
  ExpectRefused("bad_backend_cert:wrong_name", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(BackendVerificationTest, ACertificateOfAnotherCaIsUntrusted) {
  const TestCertificate other_ca = Ca();
  ConnectTo(
      MakeCertificate({.alternative_names = "DNS:orders.internal", .extended_usage = "serverAuth"},
                      &other_ca),
      Options());
  ExpectRefused("bad_backend_cert:untrusted", SSL_AD_UNKNOWN_CA);
}

TEST_P(BackendVerificationTest, AnExpiredCertificateIsRefusedAndOneNotYetValidToo) {
  ConnectTo(MakeCertificate({.alternative_names = "DNS:orders.internal",
                             .extended_usage = "serverAuth",
                             .not_after = absl::FromUnixSeconds(1'000'000'000)},
                            &ca_),
            Options());
  ExpectRefused("bad_backend_cert:expired", SSL_AD_CERTIFICATE_EXPIRED);
  ConnectTo(MakeCertificate({.alternative_names = "DNS:orders.internal",
                             .extended_usage = "serverAuth",
                             .not_before = absl::FromUnixSeconds(4'000'000'000),
                             .not_after = absl::FromUnixSeconds(4'100'000'000)},
                            &ca_),
            Options());
  ExpectRefused("bad_backend_cert:not_yet_valid", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(BackendVerificationTest, AClientsCertificateIsNoBackends) {
  ConnectTo(MakeCertificate({.alternative_names = "DNS:orders.internal"}, &ca_), Options());
  ExpectRefused("bad_backend_cert:wrong_purpose", SSL_AD_UNSUPPORTED_CERTIFICATE);
}

TEST_P(BackendVerificationTest, EveryKindOfKeyThatWeTakeAndEd25519MayBeShown) {
  const testing::CertificateShape kShapes[] = {
      {.common_name = "P-384", .curve = NID_secp384r1},
      {.common_name = "P-521", .curve = NID_secp521r1},
      {.common_name = "Ed25519", .ed25519 = true},
      {.common_name = "RSA", .rsa = true},
  };
  for (testing::CertificateShape shape : kShapes) {
    shape.alternative_names = "DNS:orders.internal";
    shape.extended_usage = "serverAuth";
    ConnectTo(MakeCertificate(shape, &ca_), Options());
    EXPECT_TRUE(session_->handshake_done())
        << shape.common_name << ": " << Describe(session_->failure());
  }
}

TEST_P(BackendVerificationTest, ACertificateSignedWithSha1IsRefused) {
  ConnectTo(MakeCertificate({.alternative_names = "DNS:orders.internal",
                             .extended_usage = "serverAuth",
                             .digest = EVP_sha1()},
                            &ca_),
            Options());
  ExpectRefused("bad_backend_cert:weak_signature", SSL_AD_BAD_CERTIFICATE);
}

TEST_P(BackendVerificationTest, AHandshakeSignedWithSha1IsRefused) {
  if (Tls13()) return;  // it has none
  const TestCertificate rsa = MakeCertificate(
      {.alternative_names = "DNS:orders.internal", .extended_usage = "serverAuth", .rsa = true},
      &ca_);
  const auto server = BackendWith(rsa);
  const uint16_t sha1[] = {SSL_SIGN_RSA_PKCS1_SHA1};
  SSL_CTX_set_signing_algorithm_prefs(server.get(), sha1, 1);
  Connect(Context(Options()), server.get());
  EXPECT_FALSE(session_->handshake_done());
  EXPECT_EQ(Describe(session_->failure()), "backend_alert:handshake_failure")
      << "it was offered, and used";
}

TEST_P(BackendVerificationTest, ASelfSignedCertificateIsItsOwnAnchor) {
  const TestCertificate own = MakeCertificate(
      {.alternative_names = "DNS:orders.internal", .extended_usage = "serverAuth"}, nullptr);
  BackendOptions options = Options();
  options.trust.ca_pem = own.CertificatePem();
  ConnectTo(own, options);
  EXPECT_TRUE(session_->handshake_done()) << Describe(session_->failure());
}

TEST_P(BackendVerificationTest, ADotAtTheEndOfTheNameMeansTheSame) {
  BackendOptions options = Options("Orders.internal.");
  ConnectTo(good_, options);
  EXPECT_TRUE(session_->handshake_done()) << Describe(session_->failure());
  EXPECT_STREQ(SSL_get_servername(backend_->ssl(), TLSEXT_NAMETYPE_host_name), "orders.internal");
  options.server_name = "other.internal.";
  ConnectTo(good_, options);
  EXPECT_STREQ(SSL_get_servername(backend_->ssl(), TLSEXT_NAMETYPE_host_name), "other.internal");
}

TEST_P(BackendVerificationTest, NamesThatNoCertificateCanBeForAreRefused) {
  for (const char* name : {".internal", ".", "..", "a..b", "orders.internal..", "10.0.0.256",
                           "orders internal", "*.internal", "[::1]", "b\xc3\xbc.internal"}) {
    EXPECT_FALSE(BackendContext::Create(Options(name)).ok()) << name;
  }
  EXPECT_FALSE(BackendContext::Create(Options(std::string(64, 'a') + ".internal")).ok());
  EXPECT_TRUE(BackendContext::Create(Options("_orders.3internal")).ok());
}

TEST_P(BackendVerificationTest, ARevokedCertificateIsRefused) {
  BackendOptions options = Options();
  options.trust.crl_pem = ca_.CrlPem({&good_});
  options.trust.crl_name = "ca.crl";
  ConnectTo(good_, options);
  ExpectRefused("bad_backend_cert:revoked", SSL_AD_CERTIFICATE_REVOKED);
}

TEST_P(BackendVerificationTest, InsecureSkipVerifyTakesWhomeverAnswers) {
  BackendOptions options;
  options.insecure_skip_verify = true;
  options.min_version = options.max_version = static_cast<ProtocolVersion>(GetParam());
  ConnectTo(MakeCertificate({.not_after = absl::FromUnixSeconds(1'000'000'000)}, nullptr), options);
  EXPECT_TRUE(session_->handshake_done());
  EXPECT_EQ(session_->server_name(), "");
}

TEST_P(BackendVerificationTest, ABackendThatAsksForACertificateGetsOurs) {
  const TestCertificate mine = MakeCertificate({.common_name = "tlsbridge"}, &ca_);
  KeyPair pair;
  pair.chain.push_back(bssl::UpRef(mine.certificate));
  pair.key = bssl::UpRef(mine.key);
  const auto server = BackendWith(good_);
  SSL_CTX_set_custom_verify(server.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                            [](SSL*, uint8_t*) { return ssl_verify_ok; });
  BackendOptions options = Options();
  options.certificate = &pair;
  Connect(Context(options), server.get());
  ASSERT_TRUE(backend_->handshake_done());
  const bssl::UniquePtr<X509> seen(SSL_get_peer_certificate(backend_->ssl()));
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(X509_cmp(seen.get(), mine.certificate.get()), 0);

  Connect(Context(Options()), server.get());
  EXPECT_EQ(verdict_, Verdict::kFailed);
  EXPECT_EQ(Describe(session_->failure()),
            Tls13() ? "backend_alert:certificate_required" : "backend_alert:handshake_failure");
}

INSTANTIATE_TEST_SUITE_P(Tls, BackendVerificationTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), NameOfVersion);

}  // namespace
}  // namespace tlsbridge::tls
