#include "tls/client_verifier.h"

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tests/tls/test_certificates.h"
#include "tls/development_ca.h"
#include "tls/session.h"

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
  std::unique_ptr<ServerContext> Context(ClientCertificates mode,
                                         const std::vector<std::string>& allow = {}) {
    auto identity = MakeDevelopmentIdentity(absl::UnixEpoch());
    ClientPolicy policy;
    policy.mode = mode;
    policy.ca_pem = ca_.CertificatePem();
    policy.ca_name = "ca.crt";
    policy.allow = allow;
    auto context = ServerContext::Create(identity->localhost, policy);
    EXPECT_TRUE(context.ok()) << context.status();
    return *std::move(context);
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
          if (certificate == nullptr) return;
          SSL_CTX_use_certificate(ctx, certificate->certificate.get());
          SSL_CTX_use_PrivateKey(ctx, certificate->key.get());
        },
        resume);
    server_ = Session::Accept(context, &staging_);
    for (int i = 0; i < 6; ++i) {
      const std::string out = client_->TakeOutput();
      if (!out.empty()) verdict_ = server_->Receive(Bytes(out)).verdict;
      if (server_->handshake_done() && i == 4) server_->Send(Bytes("x"));
      client_->Receive(std::string(staging_.output().begin(), staging_.output().end()));
      staging_.ClearOutput();
    }
  }
  void ExpectRefused(const std::string& detail, int alert) {
    EXPECT_FALSE(server_->handshake_done());
    EXPECT_EQ(verdict_, Verdict::kFailed);
    EXPECT_EQ(Describe(server_->failure()), detail);
    EXPECT_EQ(client_->alert_received(), alert);
  }

  static bssl::UniquePtr<SSL_SESSION> last_session_;
  Staging staging_;
  const TestCertificate ca_ = MakeCertificate({.common_name = "clients' CA", .ca = true}, nullptr);
  const TestCertificate good_ = MakeCertificate(
      {.common_name = "orders", .alternative_names = "URI:spiffe://prod/ns/a/sa/api"}, &ca_);
  std::unique_ptr<MemoryClient> client_;
  std::unique_ptr<Session> server_;
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

TEST_P(ClientVerifierTest, ACertificateThatNoRuleAllowsIsDenied) {
  Connect(*Context(ClientCertificates::kRequired, {"cn:billing"}), &good_);
  ExpectRefused("bad_client_cert:not_allowed", SSL_AD_ACCESS_DENIED);
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
  EXPECT_EQ(server_->client_identity(), "spiffe://prod/ns/a/sa/api");
  EXPECT_EQ(server_->allowed_by(), "cn:orders");
}

TEST(ClientPolicyTest, WhatIsNoBundleOfCasIsRefused) {
  auto identity = MakeDevelopmentIdentity(absl::UnixEpoch());
  const auto message = [&identity](const std::string& pem, const std::vector<std::string>& allow) {
    return std::string(ServerContext::Create(identity->localhost,
                                             {ClientCertificates::kRequired, pem, "ca.crt", allow})
                           .status()
                           .message());
  };
  const TestCertificate ca = MakeCertificate({.ca = true}, nullptr);
  const TestCertificate leaf = MakeCertificate({}, &ca);
  EXPECT_EQ(message("", {}), "ca.crt: holds no PEM certificate (no BEGIN CERTIFICATE line)");
  EXPECT_EQ(message(ca.CertificatePem() + leaf.CertificatePem(), {}),
            "ca.crt: certificate 2 in it is not that of a CA");
  EXPECT_EQ(message(ca.CertificatePem(), {"cn:"}), "rule 'cn:': has no pattern");
  EXPECT_EQ(message(ca.CertificatePem(), {"cn:x"}), "");
}

INSTANTIATE_TEST_SUITE_P(Tls, ClientVerifierTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace tlsbridge::tls
