// What `check` says of who is asked first, beside what the plan does and what the table of routes
// answers for every ClientHello.
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "router/kernel/client_intervals.h"
#include "router/kernel/make_plan.h"
#include "router/routes/route_table.h"
#include "router/yaml/parse_config.h"
#include "tests/router/kernel/support/random_plan.h"

namespace tlsbridge::kernel {
namespace {

constexpr int kRoutes = 5;

std::string RandomRoute(std::mt19937* random, int index) {
  const auto one_in = [random](uint32_t n) { return (*random)() % n == 0; };
  std::vector<std::string> match;
  const bool is_kernels = one_in(2);
  if (!is_kernels && one_in(2)) match.emplace_back("domains: [a.internal]");
  if (!is_kernels && one_in(4)) match.emplace_back("alpn: [h2]");
  if (!is_kernels && one_in(4)) match.emplace_back("tls_versions: [1.3]");
  if (one_in(3)) match.emplace_back("ports: [443]");
  std::vector<std::string> blocks;
  for (const char* block : {"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3"}) {
    if (one_in(3)) blocks.emplace_back(block);
  }
  if (!blocks.empty())
    match.push_back(absl::StrCat("client_ip: [", absl::StrJoin(blocks, ", "), "]"));
  return absl::StrCat("  - {name: route-", index, ", priority: ", one_in(3) ? (*random)() % 3 : 0,
                      ", match: {", absl::StrJoin(match, ", "),
                      "}, tls: {mode: passthrough}, backends: [{address: \"10.7.2.11:9000\"}], "
                      "forwarding_engine: ",
                      is_kernels ? "nftables" : "proxy", "}\n");
}

// The routes that some client at this address comes to, by what it says.
std::set<size_t> WinnersAt(const RouteTable& table, const IpBytes& client) {
  std::set<size_t> winners;
  for (const char* name : {"", "a.internal"}) {
    for (const char* alpn : {"", "\x02h2"}) {
      for (const std::optional<TlsVersion> version :
           {std::optional<TlsVersion>(), std::optional(TlsVersion::kTls13)}) {
        const auto found = table.Find({.port = 443,
                                       .client = client,
                                       .server_name = name,
                                       .alpn = tls::AlpnNames(alpn),
                                       .best_version = version});
        if (found) winners.insert(*found);
      }
    }
  }
  return winners;
}

std::optional<std::string> TakenAt(const Plan& plan, const IpBytes& client) {
  if (plan.listeners.empty()) return std::nullopt;
  for (const ClientInterval& interval : CutClients(plan.listeners[0].claims, plan.routes, true)) {
    if (interval.first <= client && client <= interval.last) {
      return plan.routes[interval.route].name;
    }
  }
  return std::nullopt;
}

TEST(CheckAgreementTest, WhoIsMatchedFirstIsToldWhereTheKernelLosesClientsToIt) {
  int told_in_all = 0;
  for (uint32_t seed = 1; seed <= 400; ++seed) {
    std::mt19937 random(seed);
    std::string text = "listeners: [{address: \"10.7.1.1:443\"}]\nroutes:\n";
    for (int i = 0; i < kRoutes; ++i) text += RandomRoute(&random, i);
    const ParsedConfig parsed =
        ParseConfig(text, "random.yaml", [](absl::string_view) { return std::nullopt; });
    std::set<std::string> told;
    for (const Problem& problem : parsed.problems) {
      if (absl::StrContains(problem.message, "is matched first")) {
        told.insert(problem.path.substr(0, problem.path.find('.')));
      }
    }
    const auto table = RouteTable::Create(parsed.config.routes);
    ASSERT_TRUE(table.ok()) << table.status();
    const Plan plan = MakePlan(
        parsed.config, [](const std::string&) { return std::vector<EndpointStatus>(); },
        absl::UnixEpoch());
    std::set<std::string> losing;
    for (const char* client : {"9.9.9.9", "10.0.0.1", "10.1.0.1", "10.1.2.3"}) {
      for (const size_t winner : WinnersAt(*table, Ip(client))) {
        const tlsbridge::Route& route = parsed.config.routes[winner];
        if (route.forwarding_engine != ForwardingEngine::kNftables) continue;
        if (TakenAt(plan, Ip(client)) == route.name) continue;
        losing.insert(absl::StrCat("routes[", winner, "]"));
      }
    }
    ASSERT_EQ(told, losing) << "seed " << seed << "\n" << text;
    told_in_all += static_cast<int>(told.size());
  }
  EXPECT_GT(told_in_all, 50);
}

}  // namespace
}  // namespace tlsbridge::kernel
