// PROXY headers: those that backends get, and those that clients begin with.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bridge/proxy_protocol/decoder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/socket_address.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::StartsWith;

// Sends back all that it was sent.
void Reflect(Socket& connection) {
  const auto all = connection.ReadToEnd();
  if (all.ok()) (void)connection.Write(*all);
}

class ProxyProtocolTest : public TlsbridgeTest {
 protected:
  void Start(const std::vector<std::string>& arguments) {
    StartSidecar(backend_.address(), arguments);
  }
  // What the backend is sent for a client that begins with `header` and then says "hello".
  std::string BackendGets(const std::string& header = "") {
    auto client = TlsClient::Connect(tlsbridge().address());
    if (!client.ok()) return client.status().ToString();
    EXPECT_EQ(client->socket().Write(header), absl::OkStatus());
    if (const auto status = client->Handshake(); !status.ok()) return status.ToString();
    EXPECT_EQ(client->Write("hello"), absl::OkStatus());
    EXPECT_EQ(client->SendCloseNotify(), absl::OkStatus());
    return client->ReadToEnd().value_or("failed");
  }
  nlohmann::json OnlyEnd() {
    const auto ended = tlsbridge().WaitForConnections(1);
    EXPECT_EQ(ended.size(), 1u);
    return ended.empty() ? nlohmann::json::object() : ended[0];
  }

  TcpBackend backend_{Reflect};
};

TEST_F(ProxyProtocolTest, Version1IsTheLineOfTheSpecification) {
  ASSERT_NO_FATAL_FAILURE(Start({"--send-proxy=v1"}));
  const std::string got = BackendGets();
  const std::string peer = OnlyEnd()["peer"];
  EXPECT_EQ(got, absl::StrCat("PROXY TCP4 127.0.0.1 127.0.0.1 ", peer.substr(peer.find(':') + 1),
                              " ", tlsbridge().Port(), "\r\nhello"));
}

TEST_F(ProxyProtocolTest, Version2TellsTheConnectionAndItsTls) {
  ASSERT_NO_FATAL_FAILURE(Start({"--send-proxy=v2"}));
  const std::string got = BackendGets();
  const nlohmann::json end = OnlyEnd();
  proxy_protocol::Decoder decoder;
  const auto result =
      decoder.Feed(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(got.data()), got.size()));
  ASSERT_EQ(result.progress, proxy_protocol::Decoder::Progress::kWhole);
  EXPECT_EQ(got.substr(result.consumed_bytes), "hello");
  const proxy_protocol::Header& header = decoder.header();
  EXPECT_EQ(end["peer"], header.source.ToString());
  EXPECT_EQ(header.destination.ToString(), tlsbridge().address());
  EXPECT_EQ(header.authority, "localhost");
  EXPECT_EQ(header.unique_id, absl::StrCat(end["id"].get<int>()));
  ASSERT_TRUE(header.ssl.has_value());
  EXPECT_EQ(header.ssl->version, "TLSv1.3");
  EXPECT_EQ(end["cipher"], header.ssl->cipher);
  EXPECT_EQ(header.ssl->client, proxy_protocol::kClientSsl);
}

TEST_F(ProxyProtocolTest, AHeaderOfATrustedPeerSaysWhoTheClientIs) {
  ASSERT_NO_FATAL_FAILURE(Start({"--proxy-from", "127.0.0.0/8", "--send-proxy=v1"}));
  const std::string line = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
  EXPECT_EQ(BackendGets(line), line + "hello");
  EXPECT_EQ(OnlyEnd()["peer"], "192.0.2.7:4711");
}

TEST_F(ProxyProtocolTest, AClientOfIpv6IsToldByVersion2) {
  ASSERT_NO_FATAL_FAILURE(Start({"--proxy-from", "127.0.0.1"}));
  // Section 2.2: signature, version 2 PROXY, TCP over IPv6, 36 bytes, addresses and ports.
  const std::string header = std::string("\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24", 16) +
                             "\x20\x01\x0d\xb8" + std::string(11, '\0') + "\x07" +
                             "\x20\x01\x0d\xb8" + std::string(11, '\0') + "\x01" +
                             std::string("\x12\x67\x01\xbb", 4);
  EXPECT_EQ(BackendGets(header), "hello");
  EXPECT_EQ(OnlyEnd()["peer"], "[2001:db8::7]:4711");
}

TEST_F(ProxyProtocolTest, ATrustedPeerWithoutAHeaderIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Start({"--proxy-from", "127.0.0.1"}));
  EXPECT_NE(BackendGets(), "hello");
  EXPECT_EQ(OnlyEnd()["reason"], "proxy_header");
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(ProxyProtocolTest, AHeaderThatIsGarbageIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Start({"--proxy-from", "127.0.0.1"}));
  EXPECT_NE(BackendGets("PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n"), "hello");
  EXPECT_EQ(OnlyEnd()["reason"], "proxy_header");
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(ProxyProtocolTest, AHeaderOfAnyOtherPeerIsNotTakenForOneAndNamedAsWhatItIs) {
  ASSERT_NO_FATAL_FAILURE(Start({"--proxy-from=10.0.0.0/8"}));
  static constexpr char kVersion2[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
  EXPECT_NE(BackendGets("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"), "hello");
  EXPECT_NE(BackendGets(std::string(kVersion2, 16)), "hello");
  const auto ended = tlsbridge().WaitForConnections(2);
  ASSERT_EQ(ended.size(), 2u);
  for (const auto& end : ended) {
    EXPECT_EQ(end["reason"], "proxy_header");
    EXPECT_EQ(end["detail"], "unexpected");
    EXPECT_THAT(end["peer"].get<std::string>(), StartsWith("127.0.0.1:"));
  }
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(ProxyProtocolTest, OtherPeersAreServedWithoutAHeader) {
  ASSERT_NO_FATAL_FAILURE(Start({"--proxy-from", "192.0.2.0/24"}));
  EXPECT_EQ(BackendGets(), "hello");
}

}  // namespace
}  // namespace tlsbridge::e2e
