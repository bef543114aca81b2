#include "router/backends/balance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

#include "router/backends/backend_pool.h"
#include "tests/router/backends/routes.h"

namespace tlsbridge {
namespace {

using testing::Address;
using testing::RouteTo;

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

SocketAddress Client(int number) {
  return Address("192.168." + std::to_string(number / 250) + "." +
                 std::to_string(number % 250 + 1) + ":5000");
}

std::map<std::string, int> Count(const std::vector<BackendPool::Lease>& leases) {
  std::map<std::string, int> counts;
  for (const auto& lease : leases) ++counts[lease.name()];
  return counts;
}

// Backend of each of `clients`.
std::vector<std::string> Assign(const Route& route, int clients) {
  auto pool = testing::MakePool(route, kStart);
  std::vector<std::string> names;
  for (int i = 0; i < clients; ++i) {
    names.push_back(pool->Pick(Client(i), {}, kStart, i).name());
  }
  return names;
}

TEST(SourceHash, RemovingOneOfTenMovesItsClientsAndNoOthers) {
  constexpr int kClients = 10000;
  Route route = RouteTo(10, Balance::kSourceHash);
  const auto before = Assign(route, kClients);
  const std::string removed = route.backends[3].address.socket.ToString();
  route.backends.erase(route.backends.begin() + 3);
  const auto after = Assign(route, kClients);
  int moved = 0;
  std::map<std::string, int> gained;
  for (int i = 0; i < kClients; ++i) {
    if (before[i] == after[i]) continue;
    EXPECT_EQ(before[i], removed);
    ++moved;
    ++gained[after[i]];
  }
  EXPECT_NEAR(moved, kClients / 10, kClients / 50);
  EXPECT_EQ(gained.size(), 9u) << "all others share them";
}

TEST(SourceHash, SharesFollowTheWeights) {
  constexpr int kClients = 10000;
  Route route = RouteTo(4, Balance::kSourceHash);
  route.backends[0].weight = 5;
  std::map<std::string, int> counts;
  for (const std::string& name : Assign(route, kClients)) ++counts[name];
  EXPECT_NEAR(counts["10.0.0.1:80"], kClients * 5 / 8, 250);
  for (const char* name : {"10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"}) {
    EXPECT_NEAR(counts[name], kClients / 8, 200) << name;
  }
}

TEST(SourceHash, TheOrderOfTheBackendsAndTheClientsPortDoNotMatter) {
  Route route = RouteTo(10, Balance::kSourceHash);
  const auto one_way = Assign(route, 200);
  std::reverse(route.backends.begin(), route.backends.end());
  EXPECT_EQ(Assign(route, 200), one_way);
  auto pool = testing::MakePool(route, kStart);
  EXPECT_EQ(pool->Pick(Address("192.168.0.1:1"), {}, kStart, 1).name(),
            pool->Pick(Address("192.168.0.1:2"), {}, kStart, 2).name());
}

TEST(SourceHash, IsTheSameInEveryProcessAndVersion) {
  EXPECT_EQ(StableHash("10.0.0.1:80"), 0xdf1d561fbd00135au);
  EXPECT_NE(StableHash("10.0.0.1:80"), StableHash("10.0.0.2:80"));
}

TEST(LeastConnections, EvensOutWhateverEnds) {
  auto pool = testing::MakePool(RouteTo(5, Balance::kLeastConnections), kStart);
  std::vector<BackendPool::Lease> leases;
  std::minstd_rand random(7);
  for (int i = 0; i < 1000; ++i) {
    leases.push_back(pool->Pick(Client(0), {}, kStart, 0));
    if (i % 3 == 0) {
      std::swap(leases[random() % leases.size()], leases.back());
      leases.pop_back();
    }
  }
  while (leases.size() % 5 != 0) leases.push_back(pool->Pick(Client(0), {}, kStart, 0));
  const auto counts = Count(leases);
  const int mean = static_cast<int>(leases.size() / 5);
  for (const auto& [name, count] : counts) EXPECT_NEAR(count, mean, 12) << name;
  // Those with fewest come first.
  const auto least = std::min_element(counts.begin(), counts.end(),
                                      [](auto& a, auto& b) { return a.second < b.second; });
  const auto next = pool->Pick(Client(0), {}, kStart, 0);
  EXPECT_EQ(counts.at(next.name()), least->second);
}

TEST(LeastConnections, FollowsTheWeights) {
  Route route = RouteTo(2, Balance::kLeastConnections);
  route.backends[0].weight = 3;
  auto pool = testing::MakePool(route, kStart);
  std::vector<BackendPool::Lease> leases;
  for (int i = 0; i < 400; ++i) leases.push_back(pool->Pick(Client(0), {}, kStart, 0));
  EXPECT_NEAR(Count(leases)["10.0.0.1:80"], 300, 1);
}

TEST(LeastConnections, TakesTurnsAmongTheIdle) {
  auto pool = testing::MakePool(RouteTo(4, Balance::kLeastConnections), kStart);
  std::map<std::string, int> counts;
  for (int i = 0; i < 400; ++i) ++counts[pool->Pick(Client(0), {}, kStart, 0).name()];
  ASSERT_EQ(counts.size(), 4u);
  for (const auto& [name, count] : counts) EXPECT_EQ(count, 100) << name;
}

TEST(RandomTwo, KeepsTheLoadMoreEvenThanLots) {
  auto pool = testing::MakePool(RouteTo(10, Balance::kRandomTwo), kStart);
  std::vector<BackendPool::Lease> leases;
  std::mt19937_64 random(7);
  for (int i = 0; i < 10000; ++i) leases.push_back(pool->Pick(Client(0), {}, kStart, random()));
  // Lots would differ by 100 or so.
  for (const auto& [name, count] : Count(leases)) EXPECT_NEAR(count, 1000, 10) << name;
}

TEST(RandomTwo, NeverTakesTheBusiestAndHonoursWeights) {
  Route route = RouteTo(3, Balance::kRandomTwo);
  auto pool = testing::MakePool(route, kStart);
  std::vector<BackendPool::Lease> busy;
  std::mt19937_64 random(7);
  const auto endpoints = pool->Endpoints(kStart);
  for (int i = 0; i < 50; ++i) {
    busy.push_back(pool->Pick(Client(0), {endpoints[1].id, endpoints[2].id}, kStart, random()));
    ASSERT_EQ(busy.back().name(), "10.0.0.1:80");
  }
  for (int i = 0; i < 1000; ++i) {
    EXPECT_NE(pool->Pick(Client(0), {}, kStart, random()).name(), "10.0.0.1:80");
  }

  route.backends[2].weight = 2;
  pool = testing::MakePool(route, kStart);
  std::vector<BackendPool::Lease> leases;
  for (int i = 0; i < 4000; ++i) leases.push_back(pool->Pick(Client(0), {}, kStart, random()));
  EXPECT_NEAR(Count(leases)["10.0.0.3:80"], 2000, 40);
}

TEST(RandomTwo, AnyNumberWillDoForChance) {
  auto pool = testing::MakePool(RouteTo(2, Balance::kRandomTwo), kStart);
  for (const uint64_t random : {uint64_t{0}, ~uint64_t{0}}) {
    EXPECT_TRUE(pool->Pick(Client(0), {}, kStart, random));
  }
}

}  // namespace
}  // namespace tlsbridge
