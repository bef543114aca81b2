#include "router/backends/backend_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/router/backends/routes.h"

namespace tlsbridge {
namespace {

using testing::Address;
using testing::BackendAt;
using ::testing::ElementsAre;
using testing::RouteTo;

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);
const SocketAddress kNobody;

std::vector<std::string> PickEach(BackendPool* pool, int times) {
  std::vector<std::string> names;
  for (int i = 0; i < times; ++i) names.push_back(pool->Pick(kNobody, {}, kStart, i * 7919).name());
  return names;
}

// Some proxies' "round robin" draws lots.
TEST(TrapT23, RoundRobinTakesTurnsAndIsTheSameEachTime) {
  for (int run = 0; run < 3; ++run) {
    auto pool = testing::MakePool(RouteTo(3), kStart);
    EXPECT_THAT(PickEach(pool.get(), 7),
                ElementsAre("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.1:80",
                            "10.0.0.2:80", "10.0.0.3:80", "10.0.0.1:80"));
  }
}

TEST(BackendPoolTest, WeightsAreSpreadEvenlyOverTheTurns) {
  Route route = RouteTo(0);
  route.backends = {BackendAt("10.0.0.1:80", 3), BackendAt("10.0.0.2:80", 1)};
  auto pool = testing::MakePool(route, kStart);
  EXPECT_THAT(PickEach(pool.get(), 8),
              ElementsAre("10.0.0.1:80", "10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80", "10.0.0.1:80",
                          "10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80"));
}

TEST(BackendPoolTest, WeightZeroAndDrainingGetNothing) {
  Route route = RouteTo(3);
  route.backends[0].weight = 0;
  route.backends[1].drain = true;
  auto pool = testing::MakePool(route, kStart);
  EXPECT_THAT(PickEach(pool.get(), 3), ElementsAre("10.0.0.3:80", "10.0.0.3:80", "10.0.0.3:80"));
  const EndpointId last = pool->Pick(kNobody, {}, kStart, 0).endpoint();
  EXPECT_FALSE(pool->Pick(kNobody, {last}, kStart, 0));
}

TEST(BackendPoolTest, LeaseOutlivesThePool) {
  auto pool = testing::MakePool(RouteTo(1), kStart);
  BackendPool::Lease lease = pool->Pick(kNobody, {}, kStart, 0);
  pool.reset();
  EXPECT_EQ(lease.name(), "10.0.0.1:80");
  EXPECT_EQ(lease.addresses()[0].ToString(), "10.0.0.1:80");
  lease.Failed(ECONNREFUSED, kStart);
}

}  // namespace
}  // namespace tlsbridge
