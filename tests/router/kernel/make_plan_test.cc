#include "router/kernel/make_plan.h"

#include <map>
#include <random>

#include "gtest/gtest.h"
#include "router/kernel/client_intervals.h"
#include "router/routes/route_table.h"
#include "tests/router/kernel/support/random_plan.h"

namespace tlsbridge::kernel {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

SocketAddress At(const std::string& text) { return *SocketAddress::Parse(text); }

tlsbridge::Route KernelRoute(const std::string& name) {
  tlsbridge::Route route;
  route.name = name;
  route.tls_mode = TlsMode::kPassthrough;
  route.forwarding_engine = ForwardingEngine::kNftables;
  return route;
}

EndpointStatus Endpoint(const std::string& address) {
  EndpointStatus status;
  status.addresses = {At(address)};
  status.weight = 1;
  return status;
}

// With one listener and this route.
Config ConfigOf(const tlsbridge::Route& route) {
  Config config;
  config.listeners.push_back({.address = At("10.7.1.1:443")});
  config.routes.push_back(route);
  return config;
}

std::vector<Backend> BackendsOf(const tlsbridge::Route& route,
                                const std::vector<EndpointStatus>& endpoints) {
  const Plan plan = MakePlan(
      ConfigOf(route), [&](const std::string&) { return endpoints; }, kNow);
  return plan.routes.empty() ? std::vector<Backend>() : plan.routes[0].backends;
}

EndpointsOf Nothing() {
  return [](const std::string&) { return std::vector<EndpointStatus>(); };
}

TEST(MakePlanTest, TakesOverWhatARouteSays) {
  tlsbridge::Route route = KernelRoute("mail");
  route.balance = tlsbridge::Balance::kSourceHash;
  route.limits = {.connections = 10, .connections_per_ip = 2, .new_per_ip_per_minute = 60};
  route.timeouts.inactivity = absl::Minutes(1);
  route.deny_ip = {*Cidr::Parse("10.9.0.0/16")};
  route.allow_ip = {*Cidr::Parse("10.0.0.0/8")};
  const Plan plan = MakePlan(ConfigOf(route), Nothing(), kNow);
  ASSERT_EQ(plan.routes.size(), 1U);
  EXPECT_EQ(plan.routes[0].balance, Balance::kSourceHash);
  EXPECT_EQ(plan.routes[0].limits, (Limits{10, 2, 60}));
  EXPECT_EQ(plan.routes[0].timeouts.inactivity, absl::Minutes(1));
  EXPECT_TRUE(plan.routes[0].masquerade);
  EXPECT_EQ(plan.routes[0].deny, route.deny_ip);
  EXPECT_EQ(plan.routes[0].allow, route.allow_ip);
  ASSERT_EQ(plan.listeners.size(), 1U);
  EXPECT_EQ(plan.listeners[0].address.port, 443);
}

TEST(MakePlanTest, TakesOverTheTablesNameAndWhatBackendsSee) {
  tlsbridge::Route route = KernelRoute("mail");
  route.kernel.source = KernelSource::kKeep;
  Config config = ConfigOf(route);
  config.kernel.table = "tlsbridge-2";
  const Plan plan = MakePlan(config, Nothing(), kNow);
  EXPECT_EQ(plan.table, "tlsbridge-2");
  EXPECT_FALSE(plan.routes[0].masquerade);
}

TEST(MakePlanTest, ListenersThatTheKernelCannotServeAreTheProgramsOwn) {
  Config config = ConfigOf(KernelRoute("mail"));
  config.listeners = {
      {.address = At("127.0.0.1:443")},
      {.address = At("unix:/run/a")},
      {.address = At("10.7.1.1:0")},
      {.address = At("10.7.1.1:444"), .proxy_protocol_from = {*Cidr::Parse("10.0.0.0/8")}}};
  EXPECT_TRUE(MakePlan(config, Nothing(), kNow).listeners.empty());
}

TEST(MakePlanTest, BackendsThatAreBadOrDrainTakeNothingNewAndAreKnownStill) {
  std::vector<EndpointStatus> endpoints = {Endpoint("10.7.2.11:9000"), Endpoint("10.7.2.12:9000"),
                                           Endpoint("10.7.2.13:9000"), Endpoint("10.7.2.14:9000")};
  endpoints[1].healthy = false;
  endpoints[2].ejected_until = kNow + absl::Seconds(1);
  endpoints[3].drain = true;
  tlsbridge::Route route = KernelRoute("mail");
  route.ejection.keep_fraction = 0.3;
  const std::vector<Backend> backends = BackendsOf(route, endpoints);
  ASSERT_EQ(backends.size(), 4U);
  EXPECT_TRUE(backends[0].serving);
  for (const size_t i : {1, 2, 3}) EXPECT_FALSE(backends[i].serving) << i;
}

TEST(MakePlanTest, WhenTooFewAreGoodTheProgramDecides) {
  std::vector<EndpointStatus> endpoints = {Endpoint("10.7.2.11:9000"), Endpoint("10.7.2.12:9000"),
                                           Endpoint("10.7.2.13:9000")};
  endpoints[0].healthy = false;
  endpoints[1].healthy = false;
  for (const Backend& backend : BackendsOf(KernelRoute("mail"), endpoints)) {
    EXPECT_FALSE(backend.serving);
  }
  endpoints[1].healthy = true;
  EXPECT_TRUE(BackendsOf(KernelRoute("mail"), endpoints)[1].serving);
}

TEST(MakePlanTest, ALaterTierServesWhenTheFirstHasNobody) {
  std::vector<EndpointStatus> endpoints = {Endpoint("10.7.2.11:9000"), Endpoint("10.7.2.12:9000")};
  endpoints[1].tier = 1;
  EXPECT_TRUE(BackendsOf(KernelRoute("mail"), endpoints)[0].serving);
  EXPECT_FALSE(BackendsOf(KernelRoute("mail"), endpoints)[1].serving);
  endpoints[0].healthy = false;
  EXPECT_FALSE(BackendsOf(KernelRoute("mail"), endpoints)[0].serving);
  EXPECT_TRUE(BackendsOf(KernelRoute("mail"), endpoints)[1].serving);
}

TEST(MakePlanTest, BackendsThatTheKernelCannotReachAreLeftOut) {
  EXPECT_TRUE(BackendsOf(KernelRoute("mail"),
                         {Endpoint("127.0.0.1:1"), Endpoint("unix:/run/a"), Endpoint("0.0.0.0:1")})
                  .empty());
}

// The kernel must never take a client whom the program would give to another route, whatever that
// client says; and where no route of the program's can win, it takes every client that is its own.
TEST(MakePlanTest, AgreesWithTheRouteTableForEveryClientHello) {
  const std::vector<std::string> names = {"", "a.internal", "b.internal", "x.a.internal", "other"};
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    const auto one_in = [&](uint32_t n) { return random() % n == 0; };
    Config config;
    config.listeners.push_back({.address = At("10.7.1.1:443")});
    for (uint32_t i = 0; i < 5; ++i) {
      tlsbridge::Route route = KernelRoute("route-" + std::to_string(i));
      if (one_in(2)) {
        route.forwarding_engine = ForwardingEngine::kProxy;
        if (one_in(2)) route.match.domains = {names[1 + random() % 4]};
        if (one_in(4)) route.match.domains.emplace_back("*.internal");
        if (one_in(4)) route.match.tls_versions = {TlsVersion::kTls13};
      }
      if (one_in(3)) route.priority = static_cast<int>(random() % 3);
      if (one_in(3)) route.match.ports = {{400, static_cast<uint16_t>(442 + random() % 3)}};
      if (one_in(2)) route.match.client_ip.push_back(*Cidr::Parse("10.0.0.0/8"));
      if (one_in(3)) route.match.client_ip.push_back(*Cidr::Parse("10.1.0.0/16"));
      if (one_in(4)) route.match.client_ip.push_back(*Cidr::Parse("10.1.2.3"));
      config.routes.push_back(route);
    }
    const auto table = RouteTable::Create(config.routes);
    ASSERT_TRUE(table.ok()) << table.status();
    const Plan plan = MakePlan(config, Nothing(), kNow);
    for (const char* text : {"9.9.9.9", "10.0.0.1", "10.1.0.1", "10.1.2.3"}) {
      std::optional<std::string> taken;
      if (!plan.listeners.empty()) {
        for (const ClientInterval& interval :
             CutClients(plan.listeners[0].claims, plan.routes, true)) {
          if (interval.first <= Ip(text) && Ip(text) <= interval.last) {
            taken = plan.routes[interval.route].name;
          }
        }
      }
      bool always_one_of_the_kernels = true;
      for (const std::string& name : names) {
        for (const std::optional<TlsVersion> version :
             {std::optional<TlsVersion>(), std::optional(TlsVersion::kTls12),
              std::optional(TlsVersion::kTls13)}) {
          const auto found = table->Find(
              {.port = 443, .client = Ip(text), .server_name = name, .best_version = version});
          const bool kernels =
              found && config.routes[*found].forwarding_engine == ForwardingEngine::kNftables;
          always_one_of_the_kernels = always_one_of_the_kernels && kernels;
          if (!taken) continue;
          ASSERT_TRUE(found.has_value()) << "seed " << seed << " " << text;
          ASSERT_EQ(config.routes[*found].name, *taken) << "seed " << seed << " " << text;
        }
      }
      // Not the other way round: names that this test does not ask for may be another route's.
      if (always_one_of_the_kernels && config.routes.size() == plan.routes.size()) {
        ASSERT_TRUE(taken.has_value()) << "seed " << seed << " " << text;
      }
    }
  }
}

}  // namespace
}  // namespace tlsbridge::kernel
