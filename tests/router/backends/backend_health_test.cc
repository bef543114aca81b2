// What the pool makes of failures, checks, changes of its names and of the configuration.
#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "router/backends/backend_pool.h"
#include "tests/router/backends/routes.h"

namespace tlsbridge {
namespace {

using testing::Address;
using testing::BackendNamed;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RouteTo;
using ::testing::UnorderedElementsAre;

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);
const SocketAddress kNobody;

EndpointStatus StatusOf(const BackendPool& pool, const std::string& name, absl::Time now) {
  for (const EndpointStatus& status : pool.Endpoints(now)) {
    if (status.name == name) return status;
  }
  ADD_FAILURE() << name << " is no endpoint";
  return {};
}

// Those that get connections at `now`.
std::set<std::string> InUse(BackendPool* pool, absl::Time now) {
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) {
    const auto lease = pool->Pick(kNobody, {}, now, i);
    if (lease) names.insert(lease.name());
  }
  return names;
}

// What one connection tries, one after the other.
std::vector<std::string> Attempts(BackendPool* pool, absl::Time now) {
  std::vector<std::string> names;
  std::vector<EndpointId> tried;
  while (const auto lease = pool->Pick(kNobody, tried, now, 0)) {
    EXPECT_GT(pool->Untried(tried, now), 0u);
    names.push_back(lease.name());
    tried.push_back(lease.endpoint());
    EXPECT_LE(tried.size(), 20u);
    if (tried.size() > 20) break;
  }
  EXPECT_EQ(pool->Untried(tried, now), 0u);
  return names;
}

// Connections to `name` fail until it is ejected.
void Eject(BackendPool* pool, const std::string& name, absl::Time now) {
  for (int i = 0; i < 100; ++i) {
    std::vector<EndpointId> others;
    for (const EndpointStatus& status : pool->Endpoints(now)) {
      if (status.name != name) others.push_back(status.id);
    }
    auto lease = pool->Pick(kNobody, others, now, 0);
    ASSERT_TRUE(lease);
    lease.Failed(ECONNREFUSED, now);
    if (StatusOf(*pool, name, now).ejected_until > now) return;
  }
}

void SetHealthy(BackendPool* pool, const std::string& name, bool healthy, absl::Time now) {
  EXPECT_TRUE(pool->SetHealthy(StatusOf(*pool, name, now).id, healthy, now));
}

TEST(Failover, TriesEachBackendOnceAndThenGivesUp) {
  auto pool = testing::MakePool(RouteTo(3), kStart);
  EXPECT_THAT(Attempts(pool.get(), kStart),
              ElementsAre("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"));
}

TEST(Failover, TriesTheGoodFirstAndTheBadRatherThanRefuse) {
  auto pool = testing::MakePool(RouteTo(3), kStart);
  SetHealthy(pool.get(), "10.0.0.1:80", false, kStart);
  const auto attempts = Attempts(pool.get(), kStart);
  ASSERT_EQ(attempts.size(), 3u);
  EXPECT_EQ(attempts[2], "10.0.0.1:80");
}

TEST(PassiveEjection, TakesOutAfterFailuresInARowAndLetsBackIn) {
  auto pool = testing::MakePool(RouteTo(3), kStart);
  Eject(pool.get(), "10.0.0.2:80", kStart);
  EXPECT_EQ(StatusOf(*pool, "10.0.0.2:80", kStart).failures, 5);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.0.0.1:80", "10.0.0.3:80"));
  EXPECT_EQ(InUse(pool.get(), kStart + absl::Seconds(9.9)).size(), 2u);
  EXPECT_EQ(InUse(pool.get(), kStart + absl::Seconds(10)).size(), 3u);
}

TEST(PassiveEjection, WantOfOurOwnIsNoFaultOfABackend) {
  auto pool = testing::MakePool(RouteTo(3), kStart);
  for (int i = 0; i < 100; ++i) {
    for (const int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, EPERM}) {
      pool->Pick(kNobody, {}, kStart, 0).Failed(error, kStart);
    }
  }
  EXPECT_EQ(InUse(pool.get(), kStart).size(), 3u);
}

TEST(PassiveEjection, KeepsAFractionHoweverManyFail) {
  auto pool = testing::MakePool(RouteTo(10), kStart);
  for (int i = 0; i < 1000; ++i) pool->Pick(kNobody, {}, kStart, 0).Failed(ECONNREFUSED, kStart);
  EXPECT_EQ(InUse(pool.get(), kStart).size(), 5u);
}

TEST(PassiveEjection, TheOnlyBackendIsNeverTakenOut) {
  auto pool = testing::MakePool(RouteTo(1), kStart);
  for (int i = 0; i < 1000; ++i) pool->Pick(kNobody, {}, kStart, 0).Failed(ECONNREFUSED, kStart);
  EXPECT_EQ(InUse(pool.get(), kStart).size(), 1u);
}

TEST(Health, IsIgnoredWhenTooManyAreBad) {
  auto pool = testing::MakePool(RouteTo(4), kStart);
  SetHealthy(pool.get(), "10.0.0.1:80", false, kStart);
  SetHealthy(pool.get(), "10.0.0.2:80", false, kStart);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.0.0.3:80", "10.0.0.4:80"));
  SetHealthy(pool.get(), "10.0.0.3:80", false, kStart);
  EXPECT_EQ(InUse(pool.get(), kStart).size(), 4u);
  SetHealthy(pool.get(), "10.0.0.1:80", true, kStart);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.0.0.1:80", "10.0.0.4:80"));
}

TEST(Health, IsObeyedToTheLastWhenNothingIsToBeKept) {
  Route route = RouteTo(2);
  route.ejection.keep_fraction = 0;
  auto pool = testing::MakePool(route, kStart);
  SetHealthy(pool.get(), "10.0.0.1:80", false, kStart);
  EXPECT_THAT(Attempts(pool.get(), kStart), ElementsAre("10.0.0.2:80"));
  SetHealthy(pool.get(), "10.0.0.2:80", false, kStart);
  EXPECT_THAT(Attempts(pool.get(), kStart), IsEmpty());
}

TEST(Health, OnlyNewsIsNews) {
  auto pool = testing::MakePool(RouteTo(2), kStart);
  const EndpointId id = StatusOf(*pool, "10.0.0.1:80", kStart).id;
  EXPECT_FALSE(pool->SetHealthy(id, true, kStart));
  EXPECT_TRUE(pool->SetHealthy(id, false, kStart));
  EXPECT_FALSE(pool->SetHealthy(id, false, kStart));
  EXPECT_FALSE(pool->SetHealthy(999999, false, kStart)) << "no such endpoint";
}

TEST(SlowStart, TheShareGrowsWithTimeAfterRecovery) {
  Route route = RouteTo(2);
  route.slow_start = absl::Seconds(100);
  auto pool = testing::MakePool(route, kStart);
  EXPECT_EQ(StatusOf(*pool, "10.0.0.1:80", kStart).weight, 1) << "not when the program starts";
  SetHealthy(pool.get(), "10.0.0.1:80", false, kStart);
  SetHealthy(pool.get(), "10.0.0.1:80", true, kStart);
  for (const int percent : {10, 25, 50, 100, 200}) {
    const absl::Time now = kStart + absl::Seconds(percent);
    int picks = 0;
    for (int i = 0; i < 1000; ++i) {
      if (pool->Pick(kNobody, {}, now, 0).name() == "10.0.0.1:80") ++picks;
    }
    const double weight = std::min(percent, 100) / 100.0;
    EXPECT_NEAR(picks, 1000 * weight / (1 + weight), 3) << percent;
  }
}

TEST(SlowStart, AlsoAfterEjectionAndNeverFromNothing) {
  Route route = RouteTo(2);
  route.slow_start = absl::Seconds(100);
  auto pool = testing::MakePool(route, kStart);
  Eject(pool.get(), "10.0.0.1:80", kStart);
  const absl::Time back = StatusOf(*pool, "10.0.0.1:80", kStart).ejected_until;
  EXPECT_GT(StatusOf(*pool, "10.0.0.1:80", back).weight, 0);
  EXPECT_DOUBLE_EQ(StatusOf(*pool, "10.0.0.1:80", back + absl::Seconds(30)).weight, 0.3);
}

TEST(Reload, KeepsWhatIsKnownOfAddressesThatStay) {
  Route route = RouteTo(4);
  route.health.kind = HealthCheck::Kind::kTcp;
  testing::Pools pools;
  auto old_pool = pools.Next(route, kStart);
  Eject(old_pool.get(), "10.0.0.1:80", kStart);
  SetHealthy(old_pool.get(), "10.0.0.2:80", false, kStart);
  auto lease = old_pool->Pick(kNobody, {}, kStart, 0);
  ASSERT_EQ(lease.name(), "10.0.0.3:80");

  route.backends.push_back(testing::BackendAt("10.0.0.5:80"));
  auto pool = pools.Next(route, kStart);
  old_pool.reset();
  EXPECT_THAT(InUse(pool.get(), kStart),
              UnorderedElementsAre("10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80"));
  EXPECT_EQ(StatusOf(*pool, "10.0.0.3:80", kStart).connections, 1);
  lease = {};
  EXPECT_EQ(StatusOf(*pool, "10.0.0.3:80", kStart).connections, 0);
}

TEST(Reload, WithoutChecksNobodyIsUnhealthyOnceItIsServed) {
  Route route = RouteTo(2);
  route.health.kind = HealthCheck::Kind::kTcp;
  testing::Pools pools;
  auto old_pool = pools.Next(route, kStart);
  SetHealthy(old_pool.get(), "10.0.0.1:80", false, kStart);
  auto pool = pools.Next(route, kStart);
  EXPECT_EQ(InUse(pool.get(), kStart).size(), 1u);
  route.health.kind = HealthCheck::Kind::kNone;
  pool = pools.Next(route, kStart);
  EXPECT_EQ(InUse(old_pool.get(), kStart).size(), 1u) << "a reload may still be refused";
  pool->ForgetHealth();
  EXPECT_EQ(InUse(pool.get(), kStart).size(), 2u);
}

TEST(Reload, WhatBelongsToTheOldWeightsIsForgotten) {
  Route route = RouteTo(2);
  for (Backend& backend : route.backends) backend.weight = 1000;
  testing::Pools pools;
  auto old_pool = pools.Next(route, kStart);
  old_pool->Pick(kNobody, {}, kStart, 0);
  for (Backend& backend : route.backends) backend.weight = 1;
  auto pool = pools.Next(route, kStart);
  std::map<std::string, int> chosen;
  for (int i = 0; i < 20; ++i) ++chosen[pool->Pick(kNobody, {}, kStart, 0).name()];
  EXPECT_EQ(chosen["10.0.0.1:80"], 10);
  EXPECT_EQ(chosen["10.0.0.2:80"], 10);
}

TEST(Reload, AnAddressThatAConnectionStillUsesIsFoundAgain) {
  testing::Pools pools;
  const auto lease = pools.Next(RouteTo(1), kStart)->Pick(kNobody, {}, kStart, 0);
  Route other = RouteTo(0);
  other.backends = {testing::BackendAt("10.0.0.9:80")};
  pools.Next(other, kStart);
  EXPECT_EQ(StatusOf(*pools.Next(RouteTo(1), kStart), "10.0.0.1:80", kStart).connections, 1);
}

TEST(Checks, EndAnEjectionWhenEnoughHavePassed) {
  auto pool = testing::MakePool(RouteTo(3), kStart);
  Eject(pool.get(), "10.0.0.1:80", kStart);
  const EndpointId id = StatusOf(*pool, "10.0.0.1:80", kStart).id;
  pool->OnCheckPassed(id, 2, kStart);
  EXPECT_EQ(InUse(pool.get(), kStart).size(), 2u);
  pool->OnCheckPassed(id, 2, kStart);
  EXPECT_EQ(InUse(pool.get(), kStart).size(), 3u);
}

TEST(Reload, WhatALeaseOfBeforeReportsCounts) {
  testing::Pools pools;
  auto old_pool = pools.Next(RouteTo(3), kStart);
  std::vector<BackendPool::Lease> leases;
  for (int i = 0; i < 15; ++i) leases.push_back(old_pool->Pick(kNobody, {}, kStart, 0));
  auto pool = pools.Next(RouteTo(3), kStart);
  old_pool.reset();
  for (auto& lease : leases) {
    if (lease.name() == "10.0.0.2:80") lease.Failed(ECONNREFUSED, kStart);
  }
  EXPECT_EQ(InUse(pool.get(), kStart).count("10.0.0.2:80"), 0u);
}

TEST(Names, HaveNoBackendUntilTheyResolve) {
  Route route;
  route.backends = {BackendNamed("orders.internal", 80)};
  auto pool = testing::MakePool(route, kStart);
  EXPECT_FALSE(pool->Pick(kNobody, {}, kStart, 0));
  pool->SetEndpoints(0, {{{Address("[fd00::1]:80"), Address("10.0.0.1:80")}}}, kStart);
  const auto lease = pool->Pick(kNobody, {}, kStart, 0);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease.backend(), "dns:orders.internal:80");
  EXPECT_EQ(lease.name(), "[fd00::1]:80");
  ASSERT_EQ(lease.addresses().size(), 2u);
  EXPECT_EQ(lease.addresses()[1].ToString(), "10.0.0.1:80");
}

TEST(Names, ChangesKeepTheRestAndItsState) {
  Route route = RouteTo(1);
  route.backends.push_back(BackendNamed("orders.internal", 80));
  auto pool = testing::MakePool(route, kStart);
  pool->SetEndpoints(1, {{{Address("10.1.0.1:80")}}, {{Address("10.1.0.2:80")}}}, kStart);
  SetHealthy(pool.get(), "10.1.0.2:80", false, kStart);
  const auto lease = pool->Pick(kNobody, {StatusOf(*pool, "10.0.0.1:80", kStart).id}, kStart, 0);
  ASSERT_EQ(lease.name(), "10.1.0.1:80");
  pool->SetEndpoints(1, {{{Address("10.1.0.2:80")}}, {{Address("10.1.0.3:80")}}}, kStart);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.0.0.1:80", "10.1.0.3:80"));
  EXPECT_EQ(lease.addresses()[0].ToString(), "10.1.0.1:80") << "goes on";
  pool->SetEndpoints(1, {}, kStart);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.0.0.1:80"));
  pool->SetEndpoints(7, {{{Address("10.9.9.9:80")}}}, kStart);
  EXPECT_EQ(InUse(pool.get(), kStart).size(), 1u) << "the route has no such backend";
}

TEST(Names, SurviveAReload) {
  Route route = RouteTo(1);
  route.backends.push_back(BackendNamed("orders.internal", 80));
  testing::Pools pools;
  auto old_pool = pools.Next(route, kStart);
  old_pool->SetEndpoints(1, {{{Address("10.1.0.1:80")}}}, kStart);
  route.backends.erase(route.backends.begin());
  route.backends.push_back(BackendNamed("other.internal", 80));
  auto pool = pools.Next(route, kStart);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.1.0.1:80"));
}

TEST(Names, ThoseThatAppearLaterStartSlowly) {
  Route route;
  route.backends = {BackendNamed("orders.internal", 80)};
  route.slow_start = absl::Seconds(10);
  auto pool = testing::MakePool(route, kStart);
  pool->SetEndpoints(0, {{{Address("10.1.0.1:80")}}}, kStart);
  pool->SetEndpoints(0, {{{Address("10.1.0.1:80")}}, {{Address("10.1.0.2:80")}}}, kStart);
  const absl::Time later = kStart + absl::Seconds(5);
  EXPECT_EQ(StatusOf(*pool, "10.1.0.1:80", later).weight, 1);
  EXPECT_EQ(StatusOf(*pool, "10.1.0.2:80", later).weight, 0.5);
}

TEST(Names, WhicheverResolvesSecondAtTheStartIsNotPunished) {
  Route route;
  route.backends = {BackendNamed("a.internal", 80), BackendNamed("b.internal", 80)};
  route.slow_start = absl::Seconds(100);
  auto pool = testing::MakePool(route, kStart);
  pool->SetEndpoints(0, {{{Address("10.1.0.1:80")}}}, kStart);
  pool->SetEndpoints(1, {{{Address("10.1.0.2:80")}}}, kStart + absl::Seconds(1));
  EXPECT_EQ(StatusOf(*pool, "10.1.0.2:80", kStart + absl::Seconds(1)).weight, 1);
}

TEST(Names, ABackendThatAReloadAddsStartsSlowly) {
  Route route = RouteTo(1);
  route.slow_start = absl::Seconds(10);
  testing::Pools pools;
  pools.Next(route, kStart);
  route.backends.push_back(BackendNamed("b.internal", 80));
  auto pool = pools.Next(route, kStart);
  pool->SetEndpoints(1, {{{Address("10.1.0.2:80")}}}, kStart);
  EXPECT_EQ(StatusOf(*pool, "10.1.0.2:80", kStart + absl::Seconds(5)).weight, 0.5);
}

TEST(Tiers, TheNextIsUsedOnlyWhenThoseBeforeAreDown) {
  Route route;
  route.backends = {BackendNamed("orders.internal", 80)};
  auto pool = testing::MakePool(route, kStart);
  pool->SetEndpoints(0,
                     {{{Address("10.1.0.1:80")}, 1, 0},
                      {{Address("10.1.0.2:80")}, 1, 0},
                      {{Address("10.1.0.3:80")}, 1, 1}},
                     kStart);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.1.0.1:80", "10.1.0.2:80"));
  EXPECT_EQ(Attempts(pool.get(), kStart)[2], "10.1.0.3:80") << "failover reaches it";
  SetHealthy(pool.get(), "10.1.0.1:80", false, kStart);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.1.0.2:80"));
  SetHealthy(pool.get(), "10.1.0.2:80", false, kStart);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.1.0.3:80"));
  SetHealthy(pool.get(), "10.1.0.3:80", false, kStart);
  EXPECT_THAT(InUse(pool.get(), kStart), UnorderedElementsAre("10.1.0.1:80", "10.1.0.2:80"));
}

TEST(Threads, MayAllUseIt) {
  Route route = RouteTo(3);
  route.backends.push_back(BackendNamed("orders.internal", 80));
  testing::Pools pools;
  auto pool = pools.Next(route, kStart);
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 3; ++worker) {
    workers.emplace_back([pool, worker] {
      for (int i = 0; i < 2000; ++i) {
        auto lease = pool->Pick(kNobody, {}, kStart, i);
        ASSERT_TRUE(lease);
        if (i % 5 == worker) {
          lease.Failed(ECONNREFUSED, kStart);
        } else {
          lease.Connected(kStart);
        }
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    pool->SetEndpoints(3, {{{Address("10.1.0.1:80")}}}, kStart);
    pool->SetEndpoints(3, {}, kStart);
    pools.Next(route, kStart);
  }
  for (std::thread& worker : workers) worker.join();
  for (const EndpointStatus& status : pool->Endpoints(kStart)) EXPECT_EQ(status.connections, 0);
}

}  // namespace
}  // namespace tlsbridge
