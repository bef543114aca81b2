// Whoever is refused by policy is named in the log, however many others are refused meanwhile.

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

class RefusalsTest : public TlsbridgeTest {
 protected:
  // Comes by a trusted proxy, for a client of that address.
  static void Come(const std::string& address, const std::string& client) {
    const std::string header = absl::StrCat("PROXY TCP4 ", client, " 192.0.2.1 4711 443\r\n");
    auto connection = TlsClient::Connect(address);
    ASSERT_TRUE(connection.ok()) << connection.status();
    ASSERT_TRUE(connection->socket().Write(header).ok());
    EXPECT_FALSE(connection->Handshake().ok());
  }

  TcpBackend backend_{[](Socket&) {}};
};

TEST_F(RefusalsTest, EachClientThatWasDeniedIsNamedAmongAFlood) {
  ASSERT_NO_FATAL_FAILURE(StartRun(
      absl::StrCat("workers: 1\n"
                   "listeners: [{address: \"127.0.0.1:0\", proxy_protocol_from: [127.0.0.1]}]\n"
                   "routes:\n"
                   "  - name: main\n"
                   "    deny_ip: [10.0.0.0/8]\n"
                   "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
                   "    backends: [{address: \"",
                   backend_.address(), "\"}]\n")));
  for (int i = 0; i < 30; ++i) ASSERT_NO_FATAL_FAILURE(Come(tlsbridge().address(), "10.0.0.1"));
  for (int i = 2; i < 12; ++i) {
    ASSERT_NO_FATAL_FAILURE(Come(tlsbridge().address(), absl::StrCat("10.0.0.", i)));
  }
  ASSERT_NO_FATAL_FAILURE(Come(tlsbridge().address(), "10.0.0.2"));
  EXPECT_EQ(tlsbridge().Stop(), 0);
  std::set<std::string> named;
  int lines = 0;
  for (const auto& end : tlsbridge().Connections()) {
    EXPECT_EQ(end["reason"], "denied");
    named.insert(end["peer"].get<std::string>());
    ++lines;
  }
  EXPECT_EQ(lines, 5 + 10) << "the first few, and the first of each other client";
  EXPECT_EQ(named.size(), 11u);
  const auto flood = tlsbridge().WaitForEvent(
      "folded", [](const auto& event) { return event["client"] == "10.0.0.1"; });
  ASSERT_TRUE(flood);
  EXPECT_EQ((*flood)["more"], 25);
  EXPECT_EQ((*flood)["kind"], "denied");
  EXPECT_EQ((*flood)["route"], "main");
  const auto other = tlsbridge().WaitForEvent(
      "folded", [](const auto& event) { return event["client"] == "10.0.0.2"; });
  ASSERT_TRUE(other);
  EXPECT_EQ((*other)["more"], 1);
}

}  // namespace
}  // namespace tlsbridge::e2e
