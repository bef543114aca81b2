#include "router/kernel/client_intervals.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/router/kernel/support/random_plan.h"

namespace tlsbridge::kernel {
namespace {

Cidr Block(const char* text) { return *Cidr::Parse(text); }

Claim Of(const char* clients, size_t route) { return {Block(clients), route}; }
Claim All(size_t route) { return {std::nullopt, route}; }

ClientInterval Between(const char* first, const char* last, size_t route) {
  return {Ip(first), Ip(last), route};
}

// Who serves one client, asked of the intervals.
std::optional<size_t> ServedBy(const std::vector<ClientInterval>& intervals,
                               const IpBytes& client) {
  std::optional<size_t> found;
  for (const ClientInterval& interval : intervals) {
    if (client < interval.first || interval.last < client) continue;
    EXPECT_FALSE(found.has_value()) << "intervals overlap";
    found = interval.route;
  }
  return found;
}

// The same, asked of the claims.
std::optional<size_t> ClaimedBy(absl::Span<const Claim> claims, absl::Span<const Route> routes,
                                const IpBytes& client) {
  const auto is_in = [&](absl::Span<const Cidr> blocks) {
    for (const Cidr& block : blocks) {
      if (block.Contains(client)) return true;
    }
    return false;
  };
  for (const Claim& claim : claims) {
    if (claim.clients && !claim.clients->Contains(client)) continue;
    if (!claim.route || is_in(routes[*claim.route].deny)) return std::nullopt;
    if (!routes[*claim.route].allow.empty() && !is_in(routes[*claim.route].allow)) {
      return std::nullopt;
    }
    return claim.route;
  }
  return std::nullopt;
}

TEST(ClientIntervalsTest, ARouteForAllIsOneIntervalOfEverybody) {
  const std::vector<Route> routes(1);
  for (const bool is_v4 : {true, false}) {
    const auto intervals = CutClients({All(0)}, routes, is_v4);
    ASSERT_EQ(intervals.size(), 1U);
    EXPECT_TRUE(IsEverybody(intervals[0]));
  }
}

TEST(ClientIntervalsTest, DeniedClientsAreLeftToTheProgram) {
  std::vector<Route> routes(1);
  routes[0].deny = {Block("10.0.0.0/24"), Block("10.0.1.7")};
  EXPECT_EQ(CutClients({All(0)}, routes, true),
            (std::vector<ClientInterval>{Between("0.0.0.0", "9.255.255.255", 0),
                                         Between("10.0.1.0", "10.0.1.6", 0),
                                         Between("10.0.1.8", "255.255.255.255", 0)}));
  const auto v6 = CutClients({All(0)}, routes, false);
  ASSERT_EQ(v6.size(), 1U);
  EXPECT_TRUE(IsEverybody(v6[0]));
}

// As long as a file can have it; the cost of comparing all with all would be told by the time
// limit.
TEST(ClientIntervalsTest, ALongListIsCutAsAShortOneIs) {
  std::vector<Route> routes(1);
  constexpr uint32_t kBlocks = 90'000;
  for (uint32_t i = 0; i < kBlocks; ++i) {
    routes[0].deny.push_back(
        Block(absl::StrCat("10.", i >> 15, ".", i >> 7 & 255, ".", i << 1 & 255).c_str()));
  }
  const auto intervals = CutClients({All(0)}, routes, true);
  EXPECT_EQ(intervals.size(), kBlocks + 1);
  EXPECT_EQ(ServedBy(intervals, Ip("10.1.2.4")), std::nullopt);
  EXPECT_EQ(ServedBy(intervals, Ip("10.1.2.5")), 0U);
}

TEST(ClientIntervalsTest, OnlyAllowedClientsAreServed) {
  std::vector<Route> routes(1);
  routes[0].allow = {Block("10.0.0.0/8")};
  routes[0].deny = {Block("10.128.0.0/9")};
  EXPECT_EQ(CutClients({All(0)}, routes, true),
            (std::vector<ClientInterval>{Between("10.0.0.0", "10.127.255.255", 0)}));
  EXPECT_TRUE(CutClients({All(0)}, routes, false).empty());
}

TEST(ClientIntervalsTest, TheFirstClaimDecidesAndDenialDoesNotFallToTheNext) {
  std::vector<Route> routes(2);
  routes[0].deny = {Block("10.0.0.9")};
  const std::vector<Claim> claims = {Of("10.0.0.8/30", 0), All(1)};
  const auto intervals = CutClients(claims, routes, true);
  EXPECT_EQ(ServedBy(intervals, Ip("10.0.0.8")), 0U);
  EXPECT_EQ(ServedBy(intervals, Ip("10.0.0.9")), std::nullopt);
  EXPECT_EQ(ServedBy(intervals, Ip("10.0.0.12")), 1U);
}

TEST(ClientIntervalsTest, ClaimsOfTheProgramAreHoles) {
  const std::vector<Route> routes(1);
  const std::vector<Claim> claims = {{Block("fd00::/64"), std::nullopt}, All(0)};
  const auto intervals = CutClients(claims, routes, false);
  EXPECT_EQ(ServedBy(intervals, Ip("fd00::1")), std::nullopt);
  EXPECT_EQ(ServedBy(intervals, Ip("fd00:0:0:1::1")), 0U);
  EXPECT_TRUE(IsEverybody(CutClients(claims, routes, true)[0]));
}

TEST(ClientIntervalsTest, ABlockThatEndsBeforeTheMappedAddressesEndsThere) {
  const std::vector<Route> routes(2);
  const auto intervals = CutClients({Of("::fffe:0:0/96", 0), All(1)}, routes, false);
  EXPECT_EQ(ServedBy(intervals, Ip("::fffe:1:2")), 0U);
  EXPECT_EQ(ServedBy(intervals, Ip("::1:0:0:1")), 1U);
  EXPECT_EQ(ServedBy(intervals, Ip("fd00::1")), 1U);
}

TEST(ClientIntervalsTest, SaysForEveryClientOfManyPlansWhatTheClaimsSay) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    const Plan plan = RandomPlan(seed);
    std::mt19937 random(seed);
    for (const Listener& listener : plan.listeners) {
      for (const bool is_v4 : {true, false}) {
        const auto intervals = CutClients(listener.claims, plan.routes, is_v4);
        for (int i = 0; i < 50; ++i) {
          IpBytes client = Ip(is_v4 ? "10.0.0.0" : "fd00::");
          for (const size_t at :
               is_v4 ? std::vector<size_t>{13, 14, 15} : std::vector<size_t>{3, 5, 15}) {
            client[at] = static_cast<uint8_t>(random() % 4 == 0 ? random() : random() % 3);
          }
          ASSERT_EQ(ServedBy(intervals, client), ClaimedBy(listener.claims, plan.routes, client))
              << "seed " << seed;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tlsbridge::kernel
