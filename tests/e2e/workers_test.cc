// Several threads that serve, and several backends behind.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

TcpBackend::Handler Greeter(const std::string& name) {
  return [name](Socket& connection) {
    (void)connection.Write(name);
    (void)connection.ReadToEnd();
  };
}

class WorkersTest : public TlsbridgeTest {
 protected:
  // The name of the backend that a new client comes to.
  std::string Visit() {
    auto client = TlsClient::Open(tlsbridge().address());
    if (!client.ok()) return client.status().ToString();
    auto name = client->ReadExactly(5);
    if (!name.ok()) return name.status().ToString();
    (void)client->SendCloseNotify();
    return *name;
  }
};

TEST_F(WorkersTest, ConnectionsAreSpreadOverAllOfThem) {
  TcpBackend backend(Greeter("first"));
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address(), {"--workers=2"}));
  const auto ready = tlsbridge().WaitForEvent("ready");
  ASSERT_TRUE(ready);
  EXPECT_EQ((*ready)["workers"], 2);
  std::vector<std::unique_ptr<TlsClient>> clients;
  for (int i = 0; i < 8; ++i) {
    auto client = TlsClient::Open(tlsbridge().address());
    ASSERT_TRUE(client.ok()) << client.status();
    clients.push_back(std::make_unique<TlsClient>(*std::move(client)));
  }
  // Each worker numbers its own: 1, 3, 5, ... and 2, 4, 6, ...
  std::map<int, int> connections;
  const nlohmann::json dump = tlsbridge().Dump();
  for (const auto& record : dump["records"]) ++connections[record["id"].get<int>() % 2];
  EXPECT_EQ(connections[0] + connections[1], 8);
  EXPECT_LE(std::max(connections[0], connections[1]), 5);
}

TEST_F(WorkersTest, OneServesAllWhereThereIsOnlyOne) {
  TcpBackend backend(Greeter("first"));
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address(), {"--workers=1"}));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Visit(), "first");
  EXPECT_EQ(tlsbridge().WaitForConnections(4).size(), 4u);
}

TEST_F(WorkersTest, BackendsTakeTurns) {
  TcpBackend first(Greeter("first"));
  TcpBackend second(Greeter("other"));
  ASSERT_NO_FATAL_FAILURE(StartSidecar(first.address(), {"--backend", second.address()}));
  for (int i = 0; i < 8; ++i) Visit();
  EXPECT_GE(first.connections_accepted(), 3);
  EXPECT_GE(second.connections_accepted(), 3);
}

TEST_F(WorkersTest, AnotherBackendStandsInForOneThatCannotBeReached) {
  const std::string dead = TcpBackend([](Socket&) {}).address();
  TcpBackend alive(Greeter("alive"));
  ASSERT_NO_FATAL_FAILURE(StartSidecar(dead, {"--backend", alive.address()}));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Visit(), "alive");
  const auto ended = tlsbridge().WaitForConnections(6);
  ASSERT_EQ(ended.size(), 6u);
  for (const auto& end : ended) EXPECT_EQ(end["backend"], alive.address());
}

}  // namespace
}  // namespace tlsbridge::e2e
