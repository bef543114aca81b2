// Who holds the places of the limit of handshakes: those who wait for us, and never those who owe
// us bytes.

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"
#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class HandshakePlaces : public CloseMatrix {
 protected:
  // Clients that send their hello and nothing more, whatever is answered.
  void ConnectSilent(size_t n) {
    for (size_t i = 0; i < n; ++i) silent_.push_back(ConnectTls(Tls()));
    Settle();
  }
  bool IsServed(TlsPeer* client) {
    return Until([client] { return client->Step(), client->handshake_done(); });
  }
  // From now on a handshake uses up the time of its turn.
  void MakeHandshakesSlow() { clock_.set_step(HandshakeQueue::kTimePerTurn); }

  std::vector<std::unique_ptr<TlsPeer>> silent_;
};

TEST_P(HandshakePlaces, AClientThatSaysNothingMoreHoldsNone) {
  config_.limits.handshakes = 2;
  config_.limits.handshakes_per_ip = 100;
  StartRouter();
  for (int i = 0; i < 5; ++i) ConnectSilent(2);
  EXPECT_EQ(live_connections(), 10u);
  EXPECT_EQ(handshake_limit_->waiting(), 0);
  auto client = ConnectTls(Tls());
  EXPECT_TRUE(IsServed(client.get()));
  EXPECT_EQ(Ended(Reason::kHandshakeLimit), 0u);
  // And who comes back goes on.
  for (auto& late : silent_) EXPECT_TRUE(IsServed(late.get()));
  EXPECT_EQ(handshake_limit_->waiting(), 0);
}

TEST_P(HandshakePlaces, AClientThatStopsAmidItsSecondMessageHoldsNone) {
  config_.limits.handshakes = 1;
  StartRouter();
  TlsPeer::Options options = Tls();
  options.allowance = 0;
  auto half = ConnectTls(options);
  half->Allow(half->held_back());  // its hello, and no more
  ASSERT_TRUE(Until([&half] { return half->Step(), half->held_back() > 0; }));
  half->Allow(1);
  Settle();
  EXPECT_EQ(handshake_limit_->waiting(), 0);
  auto client = ConnectTls(Tls());
  EXPECT_TRUE(IsServed(client.get()));
}

TEST_P(HandshakePlaces, WhoWaitsForItsTurnHoldsOne) {
  config_.limits.handshakes = 3;
  config_.limits.handshakes_per_ip = 100;
  StartRouter();
  // All are heard in one turn, before any handshake goes on.
  for (int i = 0; i < 8; ++i) silent_.push_back(ConnectTls(Tls()));
  Settle();
  EXPECT_EQ(Ended(Reason::kNone), 0u);
  EXPECT_EQ(manager_->handshakes().begun(), 3u);
  EXPECT_EQ(handshake_limit_->waiting(), 0);
  Advance(route_.bridge.grace);
  EXPECT_EQ(Ended(Reason::kHandshakeLimit), 5u);
}

TEST_P(HandshakePlaces, WhoComesBackWaitsWithTheOthersAndIsNotRefused) {
  config_.limits.handshakes = 1;
  StartRouter();
  ConnectSilent(1);
  ASSERT_EQ(handshake_limit_->waiting(), 0);
  MakeHandshakesSlow();
  for (int i = 0; i < 4; ++i) silent_.push_back(ConnectTls(Tls()));
  loop_->Turn(/*wait=*/false);  // accepted
  silent_.front()->Step();      // its next message leaves
  ASSERT_TRUE(IsServed(silent_.front().get()));
  EXPECT_TRUE(Until([this] { return handshake_limit_->waiting() == 0; }));
}

TEST_P(HandshakePlaces, WhoEndsWhileItWaitsGivesItsPlaceBack) {
  config_.limits.handshakes = 5;
  StartRouter();
  MakeHandshakesSlow();
  for (int i = 0; i < 5; ++i) silent_.push_back(ConnectTls(Tls()));
  ASSERT_TRUE(Until([this] { return handshake_limit_->waiting() >= 3; }));
  manager_->EndAll(Reason::kShutdown);
  EXPECT_EQ(handshake_limit_->waiting(), 0);
}

TEST_P(HandshakePlaces, TheHandshakeTimeoutEndsWhoOwesUsBytes) {
  StartRouter();
  ConnectSilent(3);
  Advance(route_.timeouts.handshake);
  silent_.clear();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  EXPECT_EQ(Ended(Reason::kHandshakeTimeout), 3u);
}

// ---- Of one address.

class HandshakesOfOneAddress : public HandshakePlaces {
 protected:
  void SetUp() override {
    HandshakePlaces::SetUp();
    config_.listeners.emplace_back();
    config_.listeners[0].address = *SocketAddress::Parse("127.0.0.1:0");
  }
  // Behind a balancer.
  void TrustLoopback() { config_.listeners[0].proxy_protocol_from = {*Cidr::Parse("127.0.0.0/8")}; }
  std::unique_ptr<TlsPeer> ConnectAs(const std::string& ip) {
    auto socket = ConnectClient();
    socket->Send("PROXY TCP4 " + ip + " 10.4.5.6 1000 443\r\n");
    return std::make_unique<TlsPeer>(std::move(socket), Tls());
  }
};

TEST_P(HandshakesOfOneAddress, SilentClientsHoldHalfAtMost) {
  TrustLoopback();
  config_.limits.handshakes = 20;
  StartRouter();
  for (int i = 0; i < 40; ++i) silent_.push_back(ConnectAs("10.0.0.1"));
  for (int i = 0; i < 5; ++i) Settle();
  Advance(route_.bridge.grace);
  EXPECT_EQ(live_connections(), 10u);
  EXPECT_EQ(Ended(Reason::kIpHandshakeLimit), 30u);
  auto other = ConnectAs("10.0.0.2");
  EXPECT_TRUE(IsServed(other.get()));
}

TEST_P(HandshakesOfOneAddress, ItDoesNotMatterWhetherTheySayAnything) {
  config_.limits.connections = 10;
  StartRouter();
  std::vector<std::unique_ptr<Peer>> mute;
  for (int i = 0; i < 10; ++i) mute.push_back(ConnectClient());
  Settle();
  EXPECT_EQ(live_connections(), 5u);
  EXPECT_EQ(Ended(Reason::kIpHandshakeLimit), 5u);
  EXPECT_EQ(Ended(Reason::kGlobalLimit), 0u);
}

TEST_P(HandshakesOfOneAddress, ABalancerIsNotCounted) {
  TrustLoopback();
  config_.limits.handshakes_per_ip = 1;
  StartRouter();
  std::vector<std::unique_ptr<Peer>> waiting;  // for clients of their own
  for (int i = 0; i < 10; ++i) waiting.push_back(ConnectClient());
  Settle();
  for (int i = 1; i <= 10; ++i) silent_.push_back(ConnectAs("10.0.0." + std::to_string(i)));
  Settle();
  EXPECT_EQ(live_connections(), 20u);
  EXPECT_EQ(Ended(Reason::kIpHandshakeLimit), 0u);
}

TEST_P(HandshakesOfOneAddress, ManyFromOneGatewayAreLetInAsTheyFinish) {
  config_.limits.handshakes_per_ip = 4;
  StartRouter();
  for (int i = 0; i < 50; ++i) {
    silent_.push_back(ConnectTls(Tls()));
    ASSERT_TRUE(IsServed(silent_.back().get()));
    Settle();
  }
  EXPECT_EQ(live_connections(), 50u);
}

// ---- Whatever clients do.

// They say their hello, go on, stop, leave, are cut off; time passes, limits change. When all have
// gone no place is held, which TearDown asserts, and there is room for as many as before.
TEST_P(HandshakePlaces, NoPlaceIsForgottenWhateverClientsDo) {
  config_.limits.handshakes = 4;
  config_.limits.handshakes_per_ip = 12;
  route_.timeouts.handshake = absl::Seconds(3);
  StartRouter();
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto below = [&random](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  for (int step = 0; step < 3000; ++step) {
    const size_t what = below(20);
    if (what < 4 && silent_.size() < 20) {
      silent_.push_back(ConnectTls(Tls()));
    } else if (what < 12 && !silent_.empty()) {
      silent_[below(silent_.size())]->Step();
    } else if (what < 14 && !silent_.empty()) {
      const size_t chosen = below(silent_.size());
      Peer& socket = silent_[chosen]->socket();
      below(2) == 0 ? socket.Reset() : socket.Close();
      silent_.erase(silent_.begin() + static_cast<ptrdiff_t>(chosen));
    } else if (what == 14) {
      clock_.Advance(absl::Milliseconds(below(300)));
    } else if (what == 15) {
      handshake_limit_->SetLimit(1 + static_cast<int64_t>(below(6)));
    } else if (what == 16) {
      clock_.set_step(below(2) == 0 ? absl::ZeroDuration() : HandshakeQueue::kTimePerTurn);
    } else if (what == 17 && below(20) == 0) {
      manager_->EndAll(Reason::kAdmin);
    }
    loop_->Turn(/*wait=*/false);
    ASSERT_GE(handshake_limit_->waiting(), static_cast<int64_t>(manager_->handshakes().waiting()));
    ASSERT_LE(handshake_limit_->waiting(), static_cast<int64_t>(live_connections()));
  }
  clock_.set_step(absl::ZeroDuration());
  silent_.clear();
  for (int i = 0; i < 100; ++i) backend_->Accept();
  ASSERT_TRUE(UntilWithTime([this] { return backend_->Accept(), live_connections() == 0; }));
  EXPECT_EQ(handshake_limit_->waiting(), 0);
  handshake_limit_->SetLimit(1);
  auto client = ConnectTls(Tls());
  EXPECT_TRUE(IsServed(client.get()));
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(HandshakePlaces);
TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(HandshakesOfOneAddress);

}  // namespace
}  // namespace tlsbridge::testing
