#include "router/stats/routes_json.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Reason = TerminationReason;

std::shared_ptr<const LiveConfig> Live(const std::vector<std::string>& routes,
                                       const LiveConfig* previous = nullptr) {
  Config config;
  for (const std::string& name : routes) {
    config.routes.push_back({.name = name, .action = RouteAction::kBlock});
  }
  std::vector<RouteTls> tls(routes.size());
  auto live = LiveConfig::Assemble(std::move(config), std::move(tls), previous, absl::UnixEpoch());
  EXPECT_TRUE(live.ok()) << live.status();
  return *live;
}

nlohmann::json Json(const LiveConfig& live) {
  return nlohmann::json::parse(RoutesJson(live, absl::UnixEpoch() + absl::Hours(1)));
}

// As a worker does; `worker` is anything that tells it from others.
void Count(const LiveRoute& route, Reason reason, uint64_t received, uint64_t sent,
           const void* worker = nullptr) {
  RouteMetrics::Share& share = route.state->metrics.ShareOf(worker);
  share.CountEnd(reason, tls::FailureDetail::kNone);
  share.traffic.bytes[0].Add(received);
  share.traffic.bytes[1].Add(sent);
}

TEST(RoutesJson, TellsOfEachRouteByItself) {
  const auto live = Live({"orders", "billing", "idle"});
  Count(*live->ByName("orders"), Reason::kClosedIncoming, 10, 20);
  Count(*live->ByName("orders"), Reason::kClosedIncoming, 1, 2);
  Count(*live->ByName("orders"), Reason::kEconnreset, 0, 0);
  Count(*live->ByName("billing"), Reason::kDenied, 0, 0);
  Count(*live->unrouted(), Reason::kNoRoute, 0, 0);
  const nlohmann::json json = Json(*live);
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

TEST(RoutesJson, TellsApartWhatTheKernelForwarded) {
  const auto live = Live({"flows", "program"});
  RouteMetrics::Share& flows = live->ByName("flows")->state->metrics.ShareOf(nullptr);
  flows.ip_bytes[0].Add(100);
  flows.ip_bytes[1].Add(200);
  const nlohmann::json json = Json(*live);
  EXPECT_EQ(json["routes"][0]["ip_bytes_received"], 100);
  EXPECT_EQ(json["routes"][0]["ip_bytes_sent"], 200);
  EXPECT_EQ(json["routes"][0]["bytes_sent"], 0);
  EXPECT_FALSE(json["routes"][1].contains("ip_bytes_received"));
}

TEST(RoutesJson, TellsHowTheBackendsAre) {
  Config config;
  config.routes.push_back({.name = "orders"});
  config.routes[0].backends.push_back({{.socket = *SocketAddress::Parse("127.0.0.1:80")}});
  const auto live = *LiveConfig::Assemble(std::move(config), std::vector<RouteTls>(1), nullptr,
                                          absl::UnixEpoch());
  const absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  BackendPool& pool = *live->routes()[0]->backends;
  const auto json = [&] { return Json(*live)["routes"][0]["backends"]; };
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

TEST(RoutesJson, WhatIsGoneIsSummedHoweverOftenNamesChange) {
  auto live = Live({"stays"});
  Count(*live->ByName("stays"), Reason::kNormal, 1, 1);
  for (int i = 0; i < 1000; ++i) {
    live = Live({"stays", std::to_string(i)}, live.get());
    Count(*live->ByName(std::to_string(i)), Reason::kNormal, 1, 2);
    if (i == 500) live = Live({"stays"}, live.get());
  }
  live = Live({"stays"}, live.get());
  const nlohmann::json json = Json(*live);
  EXPECT_EQ(json["routes"].size(), 1u);
  EXPECT_EQ(json["routes"][0]["ended"]["normal"], 1);
  EXPECT_EQ(json["removed"]["ended"]["normal"], 1000);
  EXPECT_EQ(json["removed"]["bytes_sent"], 2000);
  EXPECT_LT(json.dump().size(), 500u);
}

TEST(RoutesJson, ARouteThatIsGoneCountsWhileItsConnectionsLive) {
  const auto before = Live({"stays", "goes"});
  const auto route = before->Share("goes");  // as a connection holds it
  const auto live = Live({"stays"}, before.get());
  Count(*route, Reason::kNormal, 1, 0);
  EXPECT_EQ(Json(*live)["removed"]["bytes_received"], 1);
}

TEST(RoutesJson, WorkersAreSummed) {
  const auto live = Live({"orders", "billing"});
  const int workers[2] = {};
  Count(*live->ByName("orders"), Reason::kNormal, 1, 0, &workers[0]);
  Count(*live->ByName("orders"), Reason::kNormal, 2, 0, &workers[1]);
  Count(*live->ByName("billing"), Reason::kNormal, 4, 0, &workers[1]);
  const nlohmann::json json = Json(*live);
  EXPECT_EQ(json["routes"][0]["bytes_received"], 3);
  EXPECT_EQ(json["routes"][1]["bytes_received"], 4);
}

}  // namespace
}  // namespace tlsbridge
