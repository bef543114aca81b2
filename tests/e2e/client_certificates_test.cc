// Clients with certificates, and without, as curl presents them.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"

namespace tlsbridge::e2e {
namespace {

class ClientCertificatesTest : public TlsbridgeTest {
 protected:
  void Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--client-ca", clients_.authority_certificate()});
    StartSidecar(backend_.address(), std::vector<std::string>(arguments));
  }
  CurlResult CurlAs(const CertificateFiles& client) {
    return Curl(certificates().authority_certificate(),
                {"--cert", client.certificate, "--key", client.key, UrlOf(tlsbridge(), "/hello")});
  }
  CurlResult CurlWithout() {
    return Curl(certificates().authority_certificate(), {UrlOf(tlsbridge(), "/hello")});
  }
  // How the only connection ended.
  nlohmann::json End() {
    const auto ended = tlsbridge().WaitForConnections(1);
    EXPECT_EQ(ended.size(), 1u);
    return ended.empty() ? nlohmann::json() : ended[0];
  }

  HttpBackend backend_;
  TempDir clients_dir_;
  Certificates clients_{clients_dir_, "clients"};
  const CertificateFiles orders_ =
      clients_.Issue({.name = "orders", .alt_names = {"URI:spiffe://prod/ns/a/sa/orders"}});
};

TEST_F(ClientCertificatesTest, AnAllowedClientIsServedAndNamedInTheLog) {
  ASSERT_NO_FATAL_FAILURE(Start({"--allow-uri", "spiffe://prod/ns/*/sa/orders"}));
  const CurlResult result = CurlAs(orders_);
  ASSERT_EQ(result.exit_code, 0) << result.error;
  const nlohmann::json end = End();
  EXPECT_EQ(end["client"], "spiffe://prod/ns/a/sa/orders");
  EXPECT_EQ(end["allowed_by"], "uri:spiffe://prod/ns/*/sa/orders");
}

TEST_F(ClientCertificatesTest, AClientThatNoRuleAllowsNeverReachesTheBackend) {
  ASSERT_NO_FATAL_FAILURE(Start({"--allow-uri", "spiffe://prod/ns/*/sa/billing"}));
  EXPECT_NE(CurlAs(orders_).exit_code, 0);
  const nlohmann::json end = End();
  EXPECT_EQ(end["detail"], "bad_client_cert:not_allowed");
  EXPECT_EQ(end["hint"], "the certificate is trusted, but no rule allows it");
  EXPECT_FALSE(end.contains("tls_error")) << "it did verify";
  EXPECT_EQ(end["refused_client"], "spiffe://prod/ns/a/sa/orders");
  EXPECT_FALSE(end.contains("client"));
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(ClientCertificatesTest, AClientOfAnotherCaNeverReachesTheBackend) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  EXPECT_NE(CurlAs(certificates().Issue({.name = "stranger"})).exit_code, 0);
  EXPECT_EQ(End()["detail"], "bad_client_cert:untrusted");
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(ClientCertificatesTest, AClientWithoutACertificateNeverReachesTheBackend) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  EXPECT_NE(CurlWithout().exit_code, 0);
  EXPECT_EQ(End()["detail"], "no_client_cert");
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(ClientCertificatesTest, AClientWithoutACertificateIsServedWhereItIsOptional) {
  ASSERT_NO_FATAL_FAILURE(Start({"--client-cert=optional"}));
  EXPECT_EQ(CurlWithout().exit_code, 0);
  EXPECT_FALSE(End().contains("client"));
}

TEST_F(ClientCertificatesTest, ARuleOfEachKindLetsInWhomItNames) {
  const CertificateFiles client =
      clients_.Issue({.name = "billing",
                      .organizational_unit = "finance",
                      .alt_names = {"DNS:a.internal", "IP:192.0.2.7", "URI:spiffe://prod/b"}});
  const std::string spki =
      RunToEnd({"sh", "-c",
                absl::StrCat("openssl x509 -noout -pubkey -in ", client.certificate,
                             " | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary"
                             " | openssl base64 -A")})
          .value_or("failed");
  // What lets it in, and what does not.
  const std::vector<std::vector<std::string>> kinds = {
      {"--allow-cn", "billing", "orders"},
      {"--allow-ou", "finance", "sales"},
      {"--allow-dns", "*.internal", "*.external"},
      {"--allow-ip", "192.0.2.7", "192.0.2.8"},
      {"--allow-uri", "spiffe://prod/*", "spiffe://test/*"},
      {"--allow-spki", spki, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
  };
  for (const auto& kind : kinds) {
    ASSERT_NO_FATAL_FAILURE(Start({kind[0], kind[1]}));
    EXPECT_EQ(CurlAs(client).exit_code, 0) << kind[0];
    EXPECT_EQ(tlsbridge().Stop(), 0);
    ASSERT_NO_FATAL_FAILURE(Start({kind[0], kind[2]}));
    EXPECT_NE(CurlAs(client).exit_code, 0) << kind[0];
    EXPECT_EQ(End()["detail"], "bad_client_cert:not_allowed") << kind[0];
    EXPECT_EQ(tlsbridge().Stop(), 0);
  }
}

}  // namespace
}  // namespace tlsbridge::e2e
