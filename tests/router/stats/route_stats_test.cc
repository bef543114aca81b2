#include "router/stats/route_stats.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Reason = TerminationReason;

std::shared_ptr<const LiveConfig> Live(const std::vector<std::string>& routes) {
  Config config;
  for (const std::string& name : routes) {
    config.routes.push_back({.name = name, .action = RouteAction::kBlock});
  }
  std::vector<RouteTls> tls(routes.size());
  auto live = LiveConfig::Assemble(std::move(config), std::move(tls), nullptr, absl::UnixEpoch());
  EXPECT_TRUE(live.ok()) << live.status();
  return *live;
}

nlohmann::json Json(const RouteStats& stats, const std::vector<std::string>& routes) {
  return nlohmann::json::parse(stats.ToJson(*Live(routes), absl::UnixEpoch() + absl::Hours(1)));
}

void Count(RouteStats::Counts* counts, Reason reason, uint64_t received, uint64_t sent) {
  counts->CountEnd(reason);
  counts->CountBytes(received, sent);
}

TEST(RouteStats, CountEachRouteByItself) {
  RouteStats stats;
  Count(&stats.Of("orders"), Reason::kClosedIncoming, 10, 20);
  Count(&stats.Of("orders"), Reason::kClosedIncoming, 1, 2);
  Count(&stats.Of("orders"), Reason::kEconnreset, 0, 0);
  Count(&stats.Of("billing"), Reason::kDenied, 0, 0);
  Count(&stats.unrouted(), Reason::kNoRoute, 0, 0);
  const nlohmann::json json = Json(stats, {"orders", "billing", "idle"});
  EXPECT_EQ(json["routes"][0]["name"], "orders");
  EXPECT_EQ(json["routes"][0]["connections"], 0);
  EXPECT_EQ(json["routes"][0]["ended"],
            nlohmann::json({{"closed_incoming", 2}, {"econnreset", 1}}));
  EXPECT_EQ(json["routes"][0]["bytes_received"], 11);
  EXPECT_EQ(json["routes"][0]["bytes_sent"], 22);
  EXPECT_EQ(json["routes"][1]["ended"], nlohmann::json({{"denied", 1}}));
  EXPECT_EQ(json["routes"][2]["ended"], nlohmann::json::object());
  EXPECT_EQ(json["unrouted"]["ended"], nlohmann::json({{"no_route", 1}}));
  EXPECT_EQ(json["removed"]["ended"], nlohmann::json::object());
}

TEST(RouteStats, TellApartWhatTheKernelForwarded) {
  RouteStats stats;
  Count(&stats.Of("orders"), Reason::kClosedIncoming, 10, 20);
  RouteStats kernel;
  kernel.Of("orders").CountIpBytes(300, 400);
  stats.Add(kernel);
  const nlohmann::json json = Json(stats, {"orders", "idle"});
  EXPECT_EQ(json["routes"][0]["bytes_received"], 10);
  EXPECT_EQ(json["routes"][0]["ip_bytes_received"], 300);
  EXPECT_EQ(json["routes"][0]["ip_bytes_sent"], 400);
  EXPECT_FALSE(json["routes"][1].contains("ip_bytes_received"));
}

TEST(RouteStats, TellHowTheBackendsAre) {
  Config config;
  config.routes.push_back({.name = "orders"});
  config.routes[0].backends.push_back({{.socket = *SocketAddress::Parse("127.0.0.1:80")}});
  const auto live = *LiveConfig::Assemble(std::move(config), std::vector<RouteTls>(1), nullptr,
                                          absl::UnixEpoch());
  const absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  BackendPool& pool = *live->routes()[0]->backends;
  const auto json = [&] {
    return nlohmann::json::parse(RouteStats().ToJson(*live, now))["routes"][0]["backends"];
  };
  ASSERT_EQ(json().size(), 1u);
  EXPECT_EQ(json()[0]["state"], "good");
  const SocketAddress client = *SocketAddress::Parse("192.0.2.1:1");
  BackendPool::Lease lease = pool.Pick(client, {}, now, 0);
  lease.Connected(now);
  EXPECT_EQ(json()[0]["connections"], 1);
  EXPECT_EQ(json()[0]["dialled"], 1);
  EXPECT_EQ(json()[0]["name"], lease.name());
  pool.SetHealthy(lease.endpoint(), false, now);
  EXPECT_EQ(json()[0]["state"], "unhealthy");
}

TEST(RouteStats, WhatIsGoneIsSummedHoweverOftenNamesChange) {
  RouteStats stats;
  Count(&stats.Of("stays"), Reason::kNormal, 1, 1);
  for (int i = 0; i < 1000; ++i) {
    Count(&stats.Of(std::to_string(i)), Reason::kNormal, 1, 2);
    stats.Keep([](absl::string_view route) { return route == "stays"; });
  }
  const nlohmann::json json = Json(stats, {"stays"});
  EXPECT_EQ(json["routes"].size(), 1u);
  EXPECT_EQ(json["routes"][0]["ended"]["normal"], 1);
  EXPECT_EQ(json["removed"]["ended"]["normal"], 1000);
  EXPECT_EQ(json["removed"]["bytes_sent"], 2000);
  EXPECT_LT(json.dump().size(), 500u);
}

TEST(RouteStats, OfSeveralWorkersAreSummed) {
  RouteStats a;
  RouteStats b;
  Count(&a.Of("orders"), Reason::kNormal, 1, 0);
  Count(&b.Of("orders"), Reason::kNormal, 2, 0);
  Count(&b.Of("billing"), Reason::kNormal, 4, 0);
  Count(&b.unrouted(), Reason::kNoRoute, 0, 0);
  Count(&b.removed(), Reason::kNormal, 8, 0);
  a.Add(b);
  const nlohmann::json json = Json(a, {"orders", "billing"});
  EXPECT_EQ(json["routes"][0]["bytes_received"], 3);
  EXPECT_EQ(json["routes"][1]["bytes_received"], 4);
  EXPECT_EQ(json["unrouted"]["ended"]["no_route"], 1);
  EXPECT_EQ(json["removed"]["bytes_received"], 8);
}

}  // namespace
}  // namespace tlsbridge
