// Backends that speak first, are down, or cut the connection.

#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/socket_address.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

// An address that nobody listens on, since whoever did has gone.
std::string DeadAddress() {
  return TcpBackend([](Socket&) {}).address();
}

class BackendTest : public TlsbridgeTest {
 protected:
  void ExpectEnd(const std::string& reason, const std::string& error) {
    const auto ended = tlsbridge().WaitForConnections(1);
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_EQ(ended[0]["reason"], reason) << ended[0];
    EXPECT_EQ(ended[0]["level"], "warning");
    EXPECT_EQ(ended[0].value("errno", ""), error);
  }
};

TEST_F(BackendTest, ThatSpeaksFirstIsHeardBeforeTheClientSendsAByte) {
  TcpBackend backend([](Socket& connection) {
    (void)connection.Write("220 welcome\r\n");
    const auto command = connection.ReadUntil("\r\n");
    if (command.ok()) (void)connection.Write(absl::StrCat("250 ", *command));
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto client = TlsClient::Open(tlsbridge().address(), {.version = version});
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_EQ(client->ReadExactly(13).value_or("nothing"), "220 welcome\r\n");
    ASSERT_TRUE(client->Write("QUIT\r\n").ok());
    EXPECT_EQ(client->ReadToEnd().value_or("nothing"), "250 QUIT\r\n");
    EXPECT_EQ(client->end(), TlsEnd::kCloseNotify);
  }
}

TEST_F(BackendTest, ThatIsDownGivesTheClientAnAlertAndNoByte) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(DeadAddress()));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client->end(), TlsEnd::kAlert);
  EXPECT_EQ(client->alert(), SSL_AD_INTERNAL_ERROR);
  EXPECT_EQ(client->socket().ReadToEnd().value_or("reset"), "") << "FIN follows the alert";
  client->socket().Close();
  ExpectEnd("econnrefused", "ECONNREFUSED");
}

TEST_F(BackendTest, ThatIsDownMakesCurlFailAndNotSeeAnEmptyAnswer) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(DeadAddress()));
  const CurlResult result =
      Curl(certificates().authority_certificate(), {"--http1.0", UrlOf(tlsbridge(), "/")});
  EXPECT_EQ(result.exit_code, 56) << result.error;  // CURLE_RECV_ERROR
  EXPECT_EQ(result.body, "");
  ExpectEnd("econnrefused", "ECONNREFUSED");
}

TEST_F(BackendTest, WhoseUnixSocketIsGoneIsDownToo) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(absl::StrCat("unix:", dir().PathOf("nobody"))));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client->alert(), SSL_AD_INTERNAL_ERROR);
  client->socket().Close();
  ExpectEnd("econnrefused", "ENOENT");
}

TEST_F(BackendTest, ThatComesBackIsServedAgain) {
  const std::string address = absl::StrCat("unix:", dir().PathOf("backend"));
  ASSERT_NO_FATAL_FAILURE(StartSidecar(address));
  {
    auto client = TlsClient::Open(tlsbridge().address());
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  }
  TcpBackend backend([](Socket& connection) { (void)connection.Write("here I am"); }, address);
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "here I am");
}

TEST_F(BackendTest, ThatResetsGivesTheClientAllItSentAndAResetWithoutCloseNotify) {
  TcpBackend backend([](Socket& connection) {
    if (!connection.ReadExactly(5).ok()) return;
    (void)connection.Write("half of the ans");
    if (!connection.ReadExactly(4).ok()) return;
    connection.Reset();
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("begin").ok());
  EXPECT_EQ(client->ReadExactly(15).value_or("nothing"), "half of the ans");
  ASSERT_TRUE(client->Write("stop").ok());
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client->end(), TlsEnd::kReset);
  ExpectEnd("econnreset", "ECONNRESET");
}

TEST_F(BackendTest, ThatResetsMakesCurlFail) {
  TcpBackend backend([](Socket& connection) {
    if (!connection.ReadUntil("\r\n\r\n").ok()) return;
    // Without a length, so that only the way it ends tells curl that something is missing.
    (void)connection.Write("HTTP/1.0 200 OK\r\n\r\nhalf of it");
    connection.Reset();
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  const CurlResult result = Curl(certificates().authority_certificate(), {UrlOf(tlsbridge(), "/")});
  EXPECT_EQ(result.exit_code, 56) << result.error;  // CURLE_RECV_ERROR
  ExpectEnd("econnreset", "ECONNRESET");
}

TEST_F(BackendTest, ThatNeverAcceptsEndsInATimeoutAndAnAlert) {
  // A queue of one that is full: the kernel drops what comes next.
  const SocketAddress any = *SocketAddress::Parse("127.0.0.1:0");
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(listener.get(), any.get(), any.size_bytes()), 0);
  ASSERT_EQ(listen(listener.get(), 0), 0);
  const SocketAddress address = SocketAddress::LocalOf(listener.get());
  std::vector<UniqueFd> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)connect(waiting.back().get(), address.get(), address.size_bytes());
  }
  ASSERT_NO_FATAL_FAILURE(StartSidecar(address.ToString(), {"--connect-timeout=200ms"}));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("is anybody there").ok());
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client->alert(), SSL_AD_INTERNAL_ERROR);
  client->socket().Close();
  ExpectEnd("connect_timeout", "");
}

TEST_F(BackendTest, NoMoreAreTriedThanTheFlagSays) {
  TcpBackend good([](Socket& connection) { (void)connection.Write("welcome"); });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(DeadAddress(), {"--backend", DeadAddress(), "--backend",
                                                       good.address(), "--connect-attempts=2"}));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client->alert(), SSL_AD_INTERNAL_ERROR);
  client->socket().Close();
  ExpectEnd("econnrefused", "ECONNREFUSED");
}

}  // namespace
}  // namespace tlsbridge::e2e
