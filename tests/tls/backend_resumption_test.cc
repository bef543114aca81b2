// Sessions with backends that are resumed.

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/tls/backend_session_fixture.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

class BackendResumptionTest : public BackendSessionFixture {};

TEST_P(BackendResumptionTest, TheNextConnectionResumesAndInTls13EachSessionIsUsedOnce) {
  const auto context = Context(Options());
  const auto server = BackendWith(good_);
  SSL_CTX_set_num_tickets(server.get(), 1);
  Connect(context, server.get());
  EXPECT_FALSE(session_->resumed());
  backend_->Send("x");  // with it comes the ticket of TLS 1.3
  Exchange();
  Connect(context, server.get());
  EXPECT_TRUE(session_->resumed());
  EXPECT_EQ(received_, "");
  ASSERT_TRUE(session_->Send(Bytes("question")));
  Exchange();
  EXPECT_EQ(backend_->received(), "question");
  // Two at once: of TLS 1.3 there is one ticket, which the last connection brought.
  backend_->Send("x");
  Exchange();
  SSL_CTX_set_num_tickets(server.get(), 0);
  Connect(context, server.get());
  EXPECT_TRUE(session_->resumed());
  Connect(context, server.get());
  EXPECT_EQ(session_->resumed(), !Tls13());
}

TEST_P(BackendResumptionTest, ASessionIsOfferedOnlyToTheBackendThatGaveIt) {
  const auto context = Context(Options());
  const auto server = BackendWith(good_);
  Connect(context, server.get(), kAtOnce, "10.0.0.7:443");
  backend_->Send("x");
  Exchange();
  Connect(context, server.get(), kAtOnce, "10.0.0.8:443");
  EXPECT_FALSE(session_->resumed());
  Connect(context, server.get(), kAtOnce, "10.0.0.7:443");
  EXPECT_TRUE(session_->resumed());
}

TEST_P(BackendResumptionTest, ASessionIsOfferedOnlyWithTheProtocolsThatItWasMadeWith) {
  const auto context = Context(Options());
  const auto server = BackendWith(good_);
  Connect(context, server.get(), kAtOnce, "10.0.0.7:443", "\x02h2");
  backend_->Send("x");
  Exchange();
  Connect(context, server.get(), kAtOnce, "10.0.0.7:443", "\x08http/1.1");
  EXPECT_FALSE(session_->resumed());
  Connect(context, server.get(), kAtOnce, "10.0.0.7:443");
  EXPECT_FALSE(session_->resumed());
  Connect(context, server.get(), kAtOnce, "10.0.0.7:443", "\x02h2");
  EXPECT_TRUE(session_->resumed());
}

TEST_P(BackendResumptionTest, ABackendThatForgotTheSessionGetsAFullHandshake) {
  const auto context = Context(Options());
  Connect(context, BackendWith(good_).get());
  backend_->Send("x");
  Exchange();
  Connect(context, BackendWith(good_).get());
  EXPECT_TRUE(session_->handshake_done());
  EXPECT_FALSE(session_->resumed());
}

TEST_P(BackendResumptionTest, ASessionWhoseCertificateHasExpiredIsNotResumed) {
  const auto context = Context(Options());
  // Two seconds are left when it connects first.
  const TestCertificate brief = MakeCertificate({.alternative_names = "DNS:orders.internal",
                                                 .extended_usage = "serverAuth",
                                                 .lives_for = absl::Seconds(2)},
                                                &ca_);
  const auto server = BackendWith(brief);
  Connect(context, server.get());
  ASSERT_TRUE(session_->handshake_done());
  backend_->Send("x");
  Exchange();
  while (X509_cmp_current_time(X509_get0_notAfter(brief.certificate.get())) > 0) {
    std::this_thread::yield();
  }
  Connect(context, server.get());
  ExpectRefused("bad_backend_cert:expired", SSL_AD_CERTIFICATE_EXPIRED);
  // The backend has a new certificate, but would have taken the old session.
  SSL_CTX_use_certificate(server.get(), good_.certificate.get());
  SSL_CTX_use_PrivateKey(server.get(), good_.key.get());
  Connect(context, server.get());
  EXPECT_TRUE(session_->handshake_done());
  EXPECT_FALSE(session_->resumed());
}

INSTANTIATE_TEST_SUITE_P(Tls, BackendResumptionTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), NameOfVersion);

}  // namespace
}  // namespace tlsbridge::tls
