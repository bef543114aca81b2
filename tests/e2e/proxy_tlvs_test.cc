// What version 2 of the PROXY protocol tells a backend beside addresses: all that is known of the
// client's TLS and of its certificate.

#include <mutex>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "bridge/proxy_protocol/decoder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::StartsWith;

// By where the backend listens: "tcp" or "unix".
class ProxyTlvsTest : public TlsbridgeTest, public testing::WithParamInterface<std::string> {
 protected:
  void Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--send-proxy=v2", "--alpn=http/1.1"});
    ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), arguments));
  }
  // What the backend was sent in front of curl's request. The decoder has checked its CRC.
  proxy_protocol::Header HeaderFor(std::vector<std::string> arguments) {
    arguments.push_back(UrlOf(tlsbridge(), "/hello"));
    const CurlResult result = Curl(certificates().authority_certificate(), std::move(arguments));
    EXPECT_EQ(result.exit_code, 0) << result.error;
    const std::lock_guard lock(mutex_);
    proxy_protocol::Decoder decoder;
    const auto decoded = decoder.Feed(
        absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(received_.data()), received_.size()));
    EXPECT_EQ(decoded.progress, proxy_protocol::Decoder::Progress::kWhole);
    if (decoded.progress != proxy_protocol::Decoder::Progress::kWhole) return {};
    EXPECT_THAT(received_.substr(decoded.consumed_bytes), StartsWith("GET /hello HTTP/1.1\r\n"));
    // Type, and a length of four: there is a CRC, and it was not left out.
    EXPECT_NE(received_.find(std::string("\x03\x00\x04", 3)), std::string::npos);
    return decoder.header();
  }
  void ExpectTls(const proxy_protocol::Header& header) {
    const auto ends = tlsbridge().WaitForConnections(1);
    ASSERT_EQ(ends.size(), 1u);
    EXPECT_EQ(ends[0]["peer"], header.source.ToString());
    EXPECT_EQ(header.destination.ToString(), tlsbridge().address());
    EXPECT_EQ(header.alpn, "http/1.1");
    EXPECT_EQ(header.authority, "localhost");
    EXPECT_EQ(header.unique_id, std::to_string(ends[0]["id"].get<int>()));
    ASSERT_TRUE(header.ssl.has_value());
    EXPECT_EQ(ends[0]["tls"], header.ssl->version);
    EXPECT_EQ(ends[0]["cipher"], header.ssl->cipher);
    // Of our own certificate.
    EXPECT_EQ(header.ssl->signature_algorithm, "ecdsa-with-SHA256");
    EXPECT_EQ(header.ssl->key_algorithm, "EC256");
  }

  std::mutex mutex_;
  std::string received_;  // guarded by mutex_
  TcpBackend backend_{
      [this](Socket& connection) {
        const auto received = connection.ReadUntil("HTTP/1.1\r\n");
        const std::lock_guard lock(mutex_);
        received_ = received.value_or("");
        (void)connection.Write("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        connection.ShutdownWrite();
        (void)connection.ReadToEnd();
      },
      GetParam() == "unix" ? "unix:" + dir().PathOf("backend") : "127.0.0.1:0"};
  TempDir clients_dir_;
  Certificates clients_{clients_dir_, "clients"};
};

TEST_P(ProxyTlvsTest, TellTheClientsCertificateAndTheRuleThatLetItIn) {
  const CertificateFiles orders =
      clients_.Issue({.name = "orders", .alt_names = {"URI:spiffe://prod/ns/a/sa/orders"}});
  ASSERT_NO_FATAL_FAILURE(Start({"--client-ca", clients_.authority_certificate(), "--allow-uri",
                                 "spiffe://prod/ns/*/sa/orders"}));
  const auto header = HeaderFor({"--cert", orders.certificate, "--key", orders.key});
  ASSERT_NO_FATAL_FAILURE(ExpectTls(header));
  EXPECT_EQ(header.ssl->client, proxy_protocol::kClientSsl | proxy_protocol::kClientCertConn |
                                    proxy_protocol::kClientCertSession);
  EXPECT_EQ(header.ssl->verify, 0u);
  EXPECT_EQ(header.ssl->common_name, "orders");
  const std::vector<proxy_protocol::Tlv> ours = {
      {proxy_protocol::kClientUri, "spiffe://prod/ns/a/sa/orders"},
      {proxy_protocol::kMatchedRule, "uri:spiffe://prod/ns/*/sa/orders"}};
  EXPECT_EQ(header.others, ours);
}

TEST_P(ProxyTlvsTest, VouchForNobodyWhoWasOnlyObserved) {
  const CertificateFiles billing =
      clients_.Issue({.name = "billing", .alt_names = {"URI:spiffe://prod/ns/a/sa/billing"}});
  ASSERT_NO_FATAL_FAILURE(Start({"--client-ca", clients_.authority_certificate(), "--allow-uri",
                                 "spiffe://prod/ns/*/sa/orders", "--observe-only"}));
  const auto header = HeaderFor({"--cert", billing.certificate, "--key", billing.key});
  ASSERT_NO_FATAL_FAILURE(ExpectTls(header));
  EXPECT_NE(header.ssl->verify, 0u);
  EXPECT_TRUE(header.others.empty());
}

TEST_P(ProxyTlvsTest, SayThatAClientHadNoCertificate) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  const auto header = HeaderFor({});
  ASSERT_NO_FATAL_FAILURE(ExpectTls(header));
  EXPECT_EQ(header.ssl->client, proxy_protocol::kClientSsl);
  EXPECT_NE(header.ssl->verify, 0u);
  EXPECT_EQ(header.ssl->common_name, "");
  EXPECT_TRUE(header.others.empty());
}

INSTANTIATE_TEST_SUITE_P(Backends, ProxyTlvsTest, testing::Values("tcp", "unix"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tlsbridge::e2e
