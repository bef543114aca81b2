// Several backends: those that cannot be reached cost the client time, but not its connection.

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/log_capture.h"
#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class Failover : public RouterFixture {
 protected:
  void Add(const SocketAddress& address) { route_.backends.push_back({{.socket = address}}); }
  static SocketAddress Refusing() {
    ListeningPeer peer;
    peer.Close();
    return peer.address();
  }
};

TEST_F(Failover, WhatRefusesIsFollowedByTheNext) {
  Add(Refusing());
  Add(Refusing());
  Add(backend_->address());
  StartRouter();
  ConnectThrough();
  EXPECT_EQ(live_connections(), 1u);
}

TEST_F(Failover, ABlackHoleGetsItsShareOfTheTimeOnly) {
  const BlackHole first;
  const BlackHole second;
  Add(first.address());
  Add(second.address());
  Add(backend_->address());
  route_.timeouts.connect = absl::Seconds(6);
  StartRouter();
  client_ = ConnectTls();
  ASSERT_TRUE(Until([this] { return client_->handshake_done(); }));
  Settle();
  EXPECT_EQ(backend_->Accept(), nullptr);
  Advance(absl::Milliseconds(1999));
  EXPECT_EQ(backend_->Accept(), nullptr);
  Advance(absl::Milliseconds(2));  // a third of six seconds
  EXPECT_EQ(backend_->Accept(), nullptr);
  Advance(absl::Milliseconds(2001));  // half of what is left
  ASSERT_TRUE(Until([this] { return (backend_peer_ = backend_->Accept()) != nullptr; }));
  client_->Send("hello");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "hello"; }));
}

TEST_F(Failover, WhenNobodyAnswersTheBudgetIsTheEnd) {
  const BlackHole first;
  const BlackHole second;
  Add(first.address());
  Add(second.address());
  route_.timeouts.connect = absl::Seconds(6);
  StartRouter();
  client_ = ConnectTls();
  ASSERT_TRUE(Until([this] { return client_->handshake_done(); }));
  Settle();
  Advance(absl::Milliseconds(3001));
  Advance(absl::Milliseconds(2900));
  EXPECT_EQ(client_->end(), StreamEnd::kOpen);
  Advance(absl::Milliseconds(200));
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  client_->socket().Fin();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  EXPECT_EQ(Ended(Reason::kConnectTimeout), 1u);
}

TEST_F(Failover, NoMoreBackendsAreTriedThanTheRouteSays) {
  Add(Refusing());
  Add(Refusing());
  Add(backend_->address());
  route_.timeouts.connect_attempts = 2;
  StartRouter();
  client_ = ConnectTls();
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  client_->socket().Fin();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  EXPECT_EQ(Ended(Reason::kEconnrefused), 1u);
  EXPECT_EQ(backend_->Accept(), nullptr);
}

TEST_F(Failover, AThousandDeadBackendsAreTriedInTurnAndOnlyAFewByEach) {
  LogCapture log;
  for (int port = 1; port <= 1000; ++port) {
    Add(*SocketAddress::Parse("127.0.0.9:" + std::to_string(port)));
  }
  route_.ejection = {.after_failures = 1, .keep_fraction = 0};  // each attempt leaves a line
  StartRouter();
  constexpr int kClients = 4;
  for (int i = 0; i < kClients; ++i) {
    client_ = ConnectTls();
    ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
    client_->socket().Fin();
    ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  }
  EXPECT_EQ(Ended(Reason::kEconnrefused), static_cast<uint64_t>(kClients));
  std::set<std::string> tried;
  const auto attempts = log.Events("backend_ejected");
  for (const auto& attempt : attempts) tried.insert(attempt["backend"].get<std::string>());
  EXPECT_EQ(attempts.size(), static_cast<size_t>(kClients * route_.timeouts.connect_attempts));
  EXPECT_EQ(tried.size(), attempts.size()) << "nobody's turn comes twice";
}

TEST_F(Failover, HoweverManyThereAreEachHasASecond) {
  const BlackHole first;
  Add(first.address());
  Add(backend_->address());
  for (int port = 1; port <= 30; ++port) {
    Add(*SocketAddress::Parse("127.0.0.9:" + std::to_string(port)));
  }
  route_.timeouts.connect = absl::Seconds(5);
  route_.timeouts.connect_attempts = 100;
  StartRouter();
  client_ = ConnectTls();
  ASSERT_TRUE(Until([this] { return client_->handshake_done(); }));
  Settle();
  Advance(absl::Milliseconds(999));
  EXPECT_EQ(backend_->Accept(), nullptr);
  Advance(absl::Milliseconds(2));
  ASSERT_TRUE(Until([this] { return (backend_peer_ = backend_->Accept()) != nullptr; }));
}

TEST_F(Failover, TheLastBackendThatNeverAnswersFailedToo) {
  const BlackHole only;
  Add(only.address());
  route_.ejection = {.after_failures = 1, .keep_fraction = 0};
  StartRouter();
  client_ = ConnectTls();
  ASSERT_TRUE(Until([this] { return client_->handshake_done(); }));
  Settle();
  Advance(route_.timeouts.connect);
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  client_->socket().Fin();
  ASSERT_TRUE(Until([this] { return Ended(Reason::kConnectTimeout) == 1; }));
  auto next = ConnectTls();
  ASSERT_TRUE(Until([&] {
    next->Step();
    return next->end() != StreamEnd::kOpen;
  }));
  next->socket().Fin();
  ASSERT_TRUE(Until([this] { return Ended(Reason::kNoBackend) == 1; })) << "it is ejected";
}

TEST_F(Failover, WithEveryBackendDrainedThereIsNone) {
  Add(backend_->address());
  route_.backends[0].drain = true;
  StartRouter();
  client_ = ConnectTls();
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  client_->socket().Fin();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  EXPECT_EQ(Ended(Reason::kNoBackend), 1u);
}

}  // namespace
}  // namespace tlsbridge::testing
