// Traps of reference proxies: limits that do not bite, bite the wrong ones, or grow without bound.

#include <string>

#include "gtest/gtest.h"
#include "tests/support/crowd.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class Traps : public CrowdFixture {
 protected:
  // `attempts` at once; as many as come in stay.
  void Attempt(int attempts) {
    for (int i = 0; i < attempts; ++i) clients_.push_back(ConnectTls());
    for (int i = 0; i < 20; ++i) {
      Settle();
      StepMany();
    }
  }
};

TEST_F(Traps, T15_ALimitOfTheRouteBites) {
  route_.limits.connections = 3;
  StartRouter();
  Attempt(10);
  Advance(route_.bridge.grace);  // those that are refused read why
  EXPECT_EQ(live_connections(), 3u);
  EXPECT_EQ(Ended(Reason::kRouteLimit), 7u);
}

TEST_F(Traps, T15_ALimitOfAllBites) {
  config_.limits.connections = 3;
  StartRouter();
  Attempt(10);
  EXPECT_EQ(live_connections(), 3u);
  EXPECT_EQ(Ended(Reason::kGlobalLimit), 7u);
}

TEST_F(Traps, T15_ALimitOfOneAddressBites) {
  config_.limits.connections_per_ip = 3;
  StartRouter();
  Attempt(10);
  EXPECT_EQ(live_connections(), 3u);
  EXPECT_EQ(Ended(Reason::kIpLimit), 7u);
}

TEST_F(Traps, T15_ARateBites) {
  config_.limits.new_per_ip_per_minute = 3;
  StartRouter();
  Attempt(10);
  EXPECT_EQ(live_connections(), 3u);
  EXPECT_EQ(Ended(Reason::kRateLimit), 7u);
}

TEST_F(Traps, T15_ALimitCountsConnectionsUntilTheirSocketsAreGone) {
  config_.limits.connections = 1;
  StartRouter();
  Attempt(1);
  manager_->EndAll(Reason::kAdmin);
  Attempt(1);
  EXPECT_EQ(Ended(Reason::kGlobalLimit), 1u) << "the first one still has its grace";
  Advance(route_.bridge.grace);
  Attempt(1);
  EXPECT_EQ(Ended(Reason::kGlobalLimit), 1u);
  EXPECT_EQ(live_connections(), 1u);
}

TEST_F(Traps, T16_AddressesThatHaveGoneAreKeptOnlyUpToABound) {
  // That a million of them stay within it, admission_test says.
  config_.limits.connections_per_ip = 3;
  StartRouter();
  Attempt(3);
  for (auto& client : clients_) client->socket().Reset();
  ASSERT_TRUE(UntilEmpty());
  EXPECT_LE(admission_->clients(), 1u);
  EXPECT_EQ(admission_->connections(), 0);
}

TEST_F(Traps, T17_BehindAGatewayEverybodySharesOneAddressAndIsLetIn) {
  StartRouter();
  ASSERT_TRUE(ConnectMany(1000));
  EXPECT_EQ(live_connections(), 1000u);
  EXPECT_EQ(Ended(Reason::kIpLimit) + Ended(Reason::kRateLimit), 0u);
  for (auto& client : clients_) client->socket().Reset();
  ASSERT_TRUE(UntilEmpty());
}

}  // namespace
}  // namespace tlsbridge::testing
