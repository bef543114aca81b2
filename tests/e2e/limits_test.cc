// Every limit flag bites, and lets in again what it refused.

#include <signal.h>

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

class LimitsTest : public TlsbridgeTest {
 protected:
  void Start(const std::vector<std::string>& arguments) {
    StartSidecar(backend_.address(), arguments);
  }
  absl::StatusOr<TlsClient> Open() { return TlsClient::Open(tlsbridge().address()); }
  nlohmann::json FirstEnd() {
    const auto ended = tlsbridge().WaitForConnections(1);
    return ended.empty() ? nlohmann::json::object() : ended[0];
  }

  TcpBackend backend_{[](Socket& connection) { (void)connection.ReadToEnd(); }};
};

TEST_F(LimitsTest, MaxConnectionsRefusesOneMoreUntilOneHasEnded) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-connections=2"}));
  EXPECT_EQ((*tlsbridge().WaitForEvent("ready"))["max_connections"], 2);
  auto first = Open();
  auto second = Open();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_FALSE(Open().ok());
  const nlohmann::json refused = FirstEnd();
  EXPECT_EQ(refused["reason"], "global_limit");
  EXPECT_EQ(refused["id"], 3);
  EXPECT_EQ(refused["listener"], tlsbridge().address());
  ASSERT_TRUE(first->SendCloseNotify().ok());
  first->socket().Close();
  ASSERT_EQ(tlsbridge().WaitForConnections(2).size(), 2u);
  EXPECT_TRUE(Open().ok());
}

TEST_F(LimitsTest, MaxConnectionsPerIpRefusesOneMoreUntilOneHasEnded) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-connections-per-ip=1"}));
  auto first = Open();
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(Open().ok());
  EXPECT_EQ(FirstEnd()["reason"], "ip_limit");
  ASSERT_TRUE(first->SendCloseNotify().ok());
  first->socket().Close();
  ASSERT_EQ(tlsbridge().WaitForConnections(2).size(), 2u);
  EXPECT_TRUE(Open().ok());
}

TEST_F(LimitsTest, MaxNewPerIpPerMinuteRefusesOneMoreHoweverManyHaveEnded) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-new-per-ip-per-minute=3"}));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Open().ok());
  // The window slides by shares of the minute before: should a new one begin just here, a tiny
  // share is already forgotten, and lets in one more.
  EXPECT_FALSE(Open().ok() && Open().ok());
  const auto refused = tlsbridge().WaitForEvent(
      "connection_end", [](const auto& event) { return event["reason"] == "rate_limit"; });
  EXPECT_TRUE(refused);
}

TEST_F(LimitsTest, MaxHandshakesRefusesOneMoreThanMayWaitForTheirTurns) {
  const TcpBackend greeter([](Socket& connection) {
    (void)connection.Write("!");
    (void)connection.ReadToEnd();
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(
      greeter.address(), {"--max-handshakes=1", "--max-handshakes-per-ip=100", "--workers=1"}));
  EXPECT_EQ((*tlsbridge().WaitForEvent("ready"))["max_handshakes"], 1);
  auto established = Open();
  // A client of TLS 1.3 is done before the server is, which dials the backend then.
  ASSERT_TRUE(established.ok() && established->ReadExactly(1).ok());
  // Whoever comes while the program is stopped is heard in a turn or two, in which few handshakes
  // go on.
  tlsbridge().process().SendSignal(SIGSTOP);
  std::vector<TlsClient> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(*TlsClient::Connect(tlsbridge().address()));
    ASSERT_TRUE(clients.back().SendClientHello().ok());
  }
  tlsbridge().process().SendSignal(SIGCONT);
  int served = 0;
  for (TlsClient& client : clients) {
    if (client.Handshake().ok()) {
      ++served;
    } else {
      EXPECT_EQ(client.alert(), SSL_AD_INTERNAL_ERROR);
    }
    client.socket().Close();
  }
  EXPECT_GE(served, 1);
  EXPECT_LT(served, 12);
  const auto refused = tlsbridge().WaitForEvent(
      "connection_end", [](const auto& event) { return event["reason"] == "handshake_limit"; });
  ASSERT_TRUE(refused);
  EXPECT_EQ((*refused)["sni"], "localhost");
  // Those that have left may wait for their turns a moment longer than they were there.
  bool served_again = false;
  for (int i = 0; i < 1000 && !served_again; ++i) served_again = Open().ok();
  EXPECT_TRUE(served_again);
}

TEST_F(LimitsTest, AStrangerThatSaysNothingMoreLeavesRoomForOthers) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-handshakes=30"}));
  EXPECT_EQ((*tlsbridge().WaitForEvent("ready"))["max_handshakes_per_ip"], 15);
  std::vector<TlsClient> silent;
  for (int i = 0; i < 60; ++i) {
    auto client = TlsClient::Connect(tlsbridge().address(), {.source = "127.0.0.2"});
    ASSERT_TRUE(client.ok()) << client.status();
    (void)client->SendClientHello();  // or it has been refused already
    silent.push_back(*std::move(client));
  }
  std::vector<TlsClient> honest;
  for (int i = 0; i < 5; ++i) {
    auto client = Open();
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_TRUE(client->Write("x").ok());
    honest.push_back(*std::move(client));
  }
  EXPECT_EQ(tlsbridge().Dump()["live"]["records"], 20);
  silent.clear();
  honest.clear();
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(tlsbridge().summary()["reasons"]["ip_handshake_limit"], 45);
  EXPECT_EQ(tlsbridge().summary()["reasons"].value("handshake_limit", 0), 0);
}

TEST_F(LimitsTest, MaxHandshakesPerIpIsForThoseThatAreNotFinished) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-handshakes-per-ip=4"}));
  std::vector<TlsClient> clients;
  for (int i = 0; i < 12; ++i) {
    auto client = Open();
    ASSERT_TRUE(client.ok()) << i << ": " << client.status();
    clients.push_back(*std::move(client));
  }
}

TEST_F(LimitsTest, ARefusedClientNeverReachesTheBackend) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-connections=1"}));
  auto first = Open();
  ASSERT_TRUE(first.ok());
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(Open().ok());
  EXPECT_EQ(tlsbridge().Dump()["live"]["records"], 1);
  first->socket().Close();
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(tlsbridge().summary()["reasons"]["global_limit"], 20);
  EXPECT_EQ(backend_.connections_accepted(), 1);
}

TEST_F(LimitsTest, ClientsAreDeniedByTheirAddresses) {
  ASSERT_NO_FATAL_FAILURE(Start({"--allow-client-ip=127.0.0.0/8", "--deny-client-ip=127.0.0.2"}));
  EXPECT_TRUE(TlsClient::Open(tlsbridge().address(), {.source = "127.0.0.1"}).ok());
  EXPECT_FALSE(TlsClient::Open(tlsbridge().address(), {.source = "127.0.0.2"}).ok());
  const auto ended = tlsbridge().WaitForConnections(2);
  ASSERT_EQ(ended.size(), 2u);
  const bool first = ended[0]["reason"] == "denied";
  EXPECT_EQ(ended[first ? 0 : 1]["reason"], "denied");
  EXPECT_NE(ended[first ? 1 : 0]["reason"], "denied");
}

}  // namespace
}  // namespace tlsbridge::e2e
