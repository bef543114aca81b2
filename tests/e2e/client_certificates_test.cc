// Clients with certificates, and without, as curl presents them.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/http_backend.h"
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
  EXPECT_EQ(End()["detail"], "bad_client_cert:not_allowed");
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

}  // namespace
}  // namespace tlsbridge::e2e
