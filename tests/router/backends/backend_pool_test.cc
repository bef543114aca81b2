#include "router/backends/backend_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bridge/event/clock.h"
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

TEST(BackendPoolTest, AnEndpointThatSomebodyElseHasChosenIsTakenByItsAddress) {
  auto pool = testing::MakePool(RouteTo(2), kStart);
  const BackendPool::Lease lease = pool->Take(Address("10.0.0.2:80"));
  EXPECT_EQ(lease.name(), "10.0.0.2:80");
  EXPECT_EQ(pool->Endpoints(kStart)[1].connections, 1);
  EXPECT_FALSE(pool->Take(Address("10.0.0.2:81")));
}

TEST(BackendPoolTest, WhoWatchesTheBookIsToldOfWhatMayBeChosen) {
  const SystemClock clock;
  auto loop = *EventLoop::Create(&clock);
  int told = 0;
  const auto signal = ChangeSignal::Create(loop.get(), [&told](const auto& routes) {
    EXPECT_THAT(routes, ElementsAre("mail"));
    ++told;
  });
  auto book = std::make_shared<EndpointBook>();
  Route route = RouteTo(3);
  route.ejection.after_failures = 1;
  auto pool = BackendPool::Create(route, kStart, book);
  book->Watch(signal, "mail");
  const auto turn = [&] {
    loop->Turn(/*wait=*/false);
    return std::exchange(told, 0);
  };
  BackendPool::Lease lease = pool->Pick(kNobody, {}, kStart, 0);
  lease.Connected(kStart);
  EXPECT_EQ(turn(), 0) << "it was good before";
  lease.Failed(ECONNREFUSED, kStart);
  EXPECT_EQ(turn(), 1);
  lease.Connected(kStart);
  EXPECT_EQ(turn(), 1);
  pool->SetHealthy(lease.endpoint(), false, kStart);
  pool->SetEndpoints(0, {{{Address("10.0.0.9:80")}}}, kStart);
  EXPECT_EQ(turn(), 1) << "both at once";
  signal->Close();
  pool->SetEndpoints(0, {}, kStart);
  EXPECT_EQ(turn(), 0);
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
