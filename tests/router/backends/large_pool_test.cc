// Pools of a hundred and of a thousand backends: what holds for three holds for them.
#include <errno.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "router/backends/backend_pool.h"
#include "tests/router/backends/routes.h"

namespace tlsbridge {
namespace {

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

SocketAddress Client(int number) {
  return testing::Address("10.9." + std::to_string(number / 250) + "." +
                          std::to_string(number % 250) + ":4711");
}

Route LargeRoute(int backends, Balance balance = Balance::kRoundRobin) {
  Route route;
  route.name = "orders";
  route.balance = balance;
  for (int i = 0; i < backends; ++i) {
    route.backends.push_back(testing::BackendAt("10.1." + std::to_string(i / 250) + "." +
                                                std::to_string(i % 250) + ":80"));
  }
  return route;
}

class LargePool : public ::testing::TestWithParam<int> {
 protected:
  int size() const { return GetParam(); }
  std::shared_ptr<BackendPool> Make(Balance balance = Balance::kRoundRobin) {
    return testing::MakePool(LargeRoute(size(), balance), kStart);
  }
  // How often each is chosen by so many clients.
  static std::map<std::string, int> Choices(BackendPool* pool, int clients, absl::Time now) {
    std::map<std::string, int> choices;
    for (int i = 0; i < clients; ++i) ++choices[pool->Pick(Client(i), {}, now, i * 7919).name()];
    return choices;
  }
};

TEST_P(LargePool, RoundRobinGivesEachItsTurnAndOnlyOne) {
  const auto pool = Make();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Choices(pool.get(), size(), kStart).size(), static_cast<size_t>(size()));
  }
}

TEST_P(LargePool, LeastConnectionsFillsAllBeforeAnyTwice) {
  const auto pool = Make(Balance::kLeastConnections);
  std::vector<BackendPool::Lease> leases;
  std::map<EndpointId, int> open;
  for (int i = 0; i < 2 * size(); ++i) {
    leases.push_back(pool->Pick(Client(0), {}, kStart, 0));
    EXPECT_LE(++open[leases.back().endpoint()], 1 + i / size());
  }
  EXPECT_EQ(open.size(), static_cast<size_t>(size()));
}

TEST_P(LargePool, RandomTwoForgetsNobodyAndOverloadsNobody) {
  const auto pool = Make(Balance::kRandomTwo);
  std::vector<BackendPool::Lease> leases;
  std::map<EndpointId, int> open;
  for (int i = 0; i < 10 * size(); ++i) {
    leases.push_back(pool->Pick(Client(0), {}, kStart, i));
    ++open[leases.back().endpoint()];
  }
  EXPECT_EQ(open.size(), static_cast<size_t>(size()));
  for (const auto& [endpoint, connections] : open) EXPECT_LE(connections, 20);
}

TEST_P(LargePool, SourceHashMovesOnlyTheClientsOfABackendThatGoes) {
  const auto pool = Make(Balance::kSourceHash);
  const auto where = [&pool](int client) { return pool->Pick(Client(client), {}, kStart, 0); };
  std::vector<std::string> before;
  for (int i = 0; i < 2000; ++i) before.push_back(where(i).name());
  EXPECT_GT(std::set<std::string>(before.begin(), before.end()).size(), size() / 2u);
  const auto gone = where(0);
  pool->SetHealthy(gone.endpoint(), false, kStart);
  for (int i = 0; i < 2000; ++i) {
    if (before[i] != gone.name()) {
      EXPECT_EQ(where(i).name(), before[i]);
    }
  }
  EXPECT_NE(where(0).name(), gone.name());
}

TEST_P(LargePool, WeightsAreSharesAmongManyToo) {
  Route route = LargeRoute(size());
  for (int i = 0; i < size(); i += 2) route.backends[i].weight = 3;
  const auto pool = testing::MakePool(route, kStart);
  const auto choices = Choices(pool.get(), 4 * size() / 2, kStart);
  for (int i = 0; i < size(); ++i) {
    EXPECT_EQ(choices.at(route.backends[i].address.ToString()), i % 2 == 0 ? 3 : 1) << i;
  }
}

TEST_P(LargePool, ThoseThatFailAreEjectedAndTheOthersShareTheirTurns) {
  const auto pool = Make();
  std::set<std::string> dead;
  for (int i = 0; i < size() / 4; ++i)
    dead.insert(LargeRoute(size()).backends[4 * i].address.ToString());
  for (int i = 0; i < 6 * size(); ++i) {
    auto lease = pool->Pick(Client(0), {}, kStart, 0);
    if (dead.count(lease.name()) > 0) {
      lease.Failed(ECONNREFUSED, kStart);
    } else {
      lease.Connected(kStart);
    }
  }
  const int alive = size() - static_cast<int>(dead.size());
  const auto choices = Choices(pool.get(), 10 * alive, kStart);
  EXPECT_EQ(choices.size(), static_cast<size_t>(alive));
  for (const auto& [name, times] : choices) {
    EXPECT_EQ(dead.count(name), 0u) << name;
    EXPECT_NEAR(times, 10, 1) << name;
  }
  // Their time is over.
  EXPECT_EQ(Choices(pool.get(), size() + alive, kStart + absl::Minutes(1)).size(),
            static_cast<size_t>(size()));
}

TEST_P(LargePool, HalfAreKeptHoweverManyFail) {
  const auto pool = Make();
  for (int i = 0; i < 20 * size(); ++i) {
    pool->Pick(Client(0), {}, kStart, 0).Failed(ECONNREFUSED, kStart);
  }
  EXPECT_EQ(Choices(pool.get(), size(), kStart).size(), size() / 2u);
}

TEST_P(LargePool, OneConnectionMayTryEachOnce) {
  const auto pool = Make();
  std::vector<EndpointId> tried;
  while (const auto lease = pool->Pick(Client(0), tried, kStart, 0)) {
    ASSERT_EQ(pool->Untried(tried, kStart), static_cast<size_t>(size()) - tried.size());
    tried.push_back(lease.endpoint());
    ASSERT_LE(tried.size(), static_cast<size_t>(size()));
  }
  EXPECT_EQ(std::set<EndpointId>(tried.begin(), tried.end()).size(), static_cast<size_t>(size()));
  EXPECT_EQ(pool->Untried(tried, kStart), 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, LargePool, ::testing::Values(100, 1000),
                         [](const auto& info) { return std::to_string(info.param); });

}  // namespace
}  // namespace tlsbridge
