// How many connections descriptors and memory allow.

#include "router/limits/budget.h"

#include <stdint.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

constexpr int64_t kPlenty = int64_t{1} << 50;

TEST(ConnectionBudget, AConnectionTakesTwoDescriptors) {
  EXPECT_EQ(ConnectionBudget(kReservedDescriptors + 2000, kPlenty), 1000);
  EXPECT_EQ(ConnectionBudget(kReservedDescriptors + 2001, kPlenty), 1000);
}

TEST(ConnectionBudget, ThreeQuartersOfMemoryMayGoToConnections) {
  EXPECT_EQ(ConnectionBudget(kPlenty, 400 * kBytesPerConnection), 300);
}

TEST(ConnectionBudget, TheSmallerOfBothDecides) {
  EXPECT_EQ(ConnectionBudget(kReservedDescriptors + 20, 400 * kBytesPerConnection), 10);
  EXPECT_EQ(ConnectionBudget(kReservedDescriptors + 2000, 4 * kBytesPerConnection), 3);
}

TEST(ConnectionBudget, IsNeverLessThanOne) {
  EXPECT_EQ(ConnectionBudget(0, kPlenty), 1);
  EXPECT_EQ(ConnectionBudget(kPlenty, 0), 1);
  EXPECT_EQ(ConnectionBudget(-5, -5), 1);
}

TEST(ConnectionBudget, DoesNotOverflow) {
  EXPECT_GT(ConnectionBudget(INT64_MAX, INT64_MAX), 1'000'000);
}

Config NamesOf(int routes, const std::string& server) {
  Config config;
  for (int i = 0; i < routes; ++i) {
    Route& route = config.routes.emplace_back();
    route.backends.resize(2);
    for (Backend& backend : route.backends) backend.address.kind = BackendAddress::Kind::kDns;
    if (!server.empty()) route.dns.servers = {*SocketAddress::Parse(server)};
  }
  return config;
}

TEST(OtherDescriptors, LookupsAreCountedByNameServersAndNotByNames) {
  const int64_t none = OtherDescriptors(Config(), 1);
  const int64_t one = OtherDescriptors(NamesOf(1, "127.0.0.1:53"), 1);
  EXPECT_GT(one, none);
  EXPECT_LT(one, none + 20);
  EXPECT_EQ(OtherDescriptors(NamesOf(200, "127.0.0.1:53"), 1), one);
  EXPECT_GT(OtherDescriptors(NamesOf(1, ""), 1), one) << "as many as /etc/resolv.conf may name";
}

TEST(OtherDescriptors, ChecksListenersAndWorkersAreCounted) {
  Config config;
  config.routes.resize(1);
  config.routes[0].backends.resize(100);
  const int64_t unchecked = OtherDescriptors(config, 1);
  config.routes[0].health.kind = HealthCheck::Kind::kTcp;
  EXPECT_EQ(OtherDescriptors(config, 1), unchecked + 100);
  config.listeners.resize(7);
  EXPECT_EQ(OtherDescriptors(config, 1), unchecked + 107);
  EXPECT_GT(OtherDescriptors(config, 2), unchecked + 107);
  config.metrics = *SocketAddress::Parse("0.0.0.0:9902");
  EXPECT_EQ(OtherDescriptors(config, 1), unchecked + 140) << "its socket and 32 clients";
}

TEST(ConnectionBudget, WhatElseIsNeededIsLeft) {
  EXPECT_EQ(ConnectionBudget(10'000, kPlenty, 1000), 4500);
  EXPECT_EQ(ConnectionBudget(1000, kPlenty, 100'000), 375) << "a quarter at most";
  EXPECT_EQ(ConnectionBudget(100, kPlenty, 100'000), 18) << "but what is reserved";
}

TEST(ClaimBudget, RaisesTheSoftLimitOfDescriptorsToTheHardOne) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low = {64, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const Budget budget = ClaimBudget();
  rlimit after;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(budget.descriptors, static_cast<int64_t>(after.rlim_cur));
  EXPECT_EQ(after.rlim_cur, std::min<rlim_t>(before.rlim_max, 1'000'000));
  EXPECT_GT(budget.memory_bytes, 0);
  EXPECT_EQ(budget.connections, ConnectionBudget(budget.descriptors, budget.memory_bytes));
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace tlsbridge
