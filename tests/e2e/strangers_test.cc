// Clients that do not speak TLS, and how the log stays readable when there are many of them.

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/payload.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"

namespace tlsbridge::e2e {
namespace {

constexpr char kAlertRecord = 0x15;

class StrangersTest : public TlsbridgeTest {
 protected:
  // Sends the bytes; what comes back up to FIN, or "reset".
  std::string Say(absl::string_view bytes) {
    auto socket = Socket::Connect(tlsbridge().address());
    EXPECT_TRUE(socket.ok()) << socket.status();
    EXPECT_TRUE(socket->Write(bytes).ok());
    return socket->ReadToEnd().value_or("reset");
  }
  nlohmann::json OnlyConnection() {
    const auto ended = tlsbridge().WaitForConnections(1);
    return ended.empty() ? nlohmann::json::object() : ended[0];
  }
  // A fatal alert and nothing else.
  static void ExpectOnlyAnAlert(const std::string& answer) {
    ASSERT_EQ(answer.size(), 7u) << answer;
    EXPECT_EQ(answer[0], kAlertRecord);
    EXPECT_EQ(answer[5], 2);
  }

  HttpBackend backend_;
};

TEST_F(StrangersTest, PlainHttpIsNamedAndEndsWithFin) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  // BoringSSL has no alert for those who speak HTTP and could not read it.
  EXPECT_EQ(Say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "");
  const nlohmann::json ended = OnlyConnection();
  EXPECT_EQ(ended["reason"], "tls_handshake_failed");
  EXPECT_EQ(ended["detail"], "plain_http");
  EXPECT_EQ(ended["hint"], "use https://");
  EXPECT_EQ(ended["outgoing"], "none");
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(StrangersTest, CurlWithTheWrongSchemeSeesAnEmptyAnswerAndNoReset) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const CurlResult result = Curl(certificates().authority_certificate(),
                                 {absl::StrCat("http://", tlsbridge().address(), "/")});
  EXPECT_EQ(result.exit_code, 52) << result.error;  // CURLE_GOT_NOTHING
  EXPECT_EQ(OnlyConnection()["detail"], "plain_http");
}

TEST_F(StrangersTest, GarbageIsNamedAndAnsweredWithAnAlert) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  ExpectOnlyAnAlert(Say("SSH-2.0-OpenSSH_9.2\r\n"));
  EXPECT_EQ(OnlyConnection()["detail"], "not_tls");
}

TEST_F(StrangersTest, ALotOfGarbageIsDrainedSoThatNoResetOvertakesTheAlert) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  std::string garbage = Payload(200'000);
  garbage[0] = 'x';
  ExpectOnlyAnAlert(Say(garbage));
  EXPECT_EQ(OnlyConnection()["detail"], "not_tls");
}

TEST_F(StrangersTest, ManyOfAKindAreFoldedAndOthersAreStillSeen) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  for (int i = 0; i < 20; ++i) ExpectOnlyAnAlert(Say("SSH-2.0-OpenSSH_9.2\r\n"));
  EXPECT_EQ(Say("GET / HTTP/1.1\r\n\r\n"), "");
  const CurlResult result = Curl(certificates().authority_certificate(), {UrlOf(tlsbridge(), "/")});
  EXPECT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(tlsbridge().Stop(), 0);
  std::map<std::string, int> details;
  for (const auto& ended : tlsbridge().Connections()) ++details[ended.value("detail", "none")];
  EXPECT_EQ(details["not_tls"], 5);
  EXPECT_EQ(details["plain_http"], 1);
  EXPECT_EQ(details["none"], 1);
  const auto folded = tlsbridge().WaitForEvent("folded");
  ASSERT_TRUE(folded) << "the rest is not told at the end";
  EXPECT_EQ((*folded)["more"], 15);
  EXPECT_EQ(tlsbridge().summary()["reasons"]["tls_handshake_failed"], 21);
}

TEST_F(StrangersTest, ATcpProbeIsCountedButNoLineIsWritten) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  { auto probe = Socket::Connect(tlsbridge().address()); }
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_TRUE(tlsbridge().Connections().empty());
  EXPECT_EQ(tlsbridge().summary()["reasons"]["tls_handshake_failed"], 1);
}

TEST_F(StrangersTest, ATcpProbeThatLeavesWithAResetIsOneToo) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), {"--log-level=debug"}));
  auto probe = Socket::Connect(tlsbridge().address());
  ASSERT_TRUE(probe.ok());
  probe->Reset();
  const nlohmann::json ended = OnlyConnection();
  EXPECT_EQ(ended["level"], "debug") << ended;
  EXPECT_EQ(ended["detail"], "tcp_probe");
}

TEST_F(StrangersTest, AClientThatLeavesInTheMiddleOfTheHandshakeIsNamed) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  {
    auto socket = Socket::Connect(tlsbridge().address());
    ASSERT_TRUE(socket.ok());
    ASSERT_TRUE(socket->Write(absl::string_view("\x16\x03\x01\x02\x00\x01\x00", 7)).ok());
  }
  const nlohmann::json ended = OnlyConnection();
  EXPECT_EQ(ended["detail"], "client_gone");
  EXPECT_EQ(ended["level"], "warning");
}

}  // namespace
}  // namespace tlsbridge::e2e
