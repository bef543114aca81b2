// Each list by itself, then which of several wins.

#include "router/routes/route_table.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/router/routes/reference.h"

namespace tlsbridge {
namespace {

constexpr int kNone = -1;

Route Make(const Match& match, int priority = 0) {
  Route route;
  route.priority = priority;
  route.match = match;
  return route;
}

Cidr Block(const std::string& text) { return *Cidr::Parse(text); }

class RouteTableTest : public ::testing::Test {
 protected:
  void Use(std::vector<Route> routes) {
    absl::StatusOr<RouteTable> table = RouteTable::Create(routes);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
  }
  void Use(const std::vector<Match>& matches) {
    std::vector<Route> routes;
    for (const Match& match : matches) routes.push_back(Make(match));
    Use(std::move(routes));
  }

  int Find(const Hello& hello) const {
    const std::optional<size_t> found = table_->Find(hello.query());
    return found.has_value() ? static_cast<int>(*found) : kNone;
  }
  int ForName(const std::string& name) const { return Find({.name = name}); }
  int ForClient(const std::string& client) const { return Find({.client = client}); }
  int ForPort(uint16_t port) const { return Find({.port = port}); }

  std::optional<RouteTable> table_;
};

TEST_F(RouteTableTest, WithoutRoutesNothingIsFound) {
  Use(std::vector<Route>());
  EXPECT_EQ(Find({}), kNone);
  EXPECT_EQ(Find({.name = "a.b", .alpn = {"h2"}}), kNone);
}

TEST_F(RouteTableTest, ARouteWithoutListsMatchesEverybody) {
  Use({Match{}});
  EXPECT_EQ(Find({}), 0);
  EXPECT_EQ(Find({.port = 0, .client = "", .version = std::nullopt}), 0);
  EXPECT_EQ(Find({.name = "a.b", .alpn = {"h2"}}), 0);
}

// ---- domains

TEST_F(RouteTableTest, AnExactDomainMatchesThatNameOnly) {
  Use({{.domains = {"a.b"}}});
  EXPECT_EQ(ForName("a.b"), 0);
  EXPECT_EQ(ForName("x.a.b"), kNone);
  EXPECT_EQ(ForName("b"), kNone);
  EXPECT_EQ(ForName("a.b."), kNone);
}

TEST_F(RouteTableTest, AWildcardStandsForExactlyOneLabel) {
  Use({{.domains = {"*.b.c"}}});
  EXPECT_EQ(ForName("a.b.c"), 0);
  EXPECT_EQ(ForName("x.a.b.c"), kNone);
  EXPECT_EQ(ForName("b.c"), kNone);
  EXPECT_EQ(ForName(".b.c"), kNone) << "an empty label is none";
  EXPECT_EQ(ForName("ab.c"), kNone);
}

TEST_F(RouteTableTest, OnlyAStarMatchesAClientWithoutSni) {
  Use({{.domains = {"a.b", "*.b"}}});
  EXPECT_EQ(ForName(""), kNone);
  Use({{.domains = {"*"}}});
  EXPECT_EQ(ForName(""), 0);
  EXPECT_EQ(ForName("a.b"), 0);
  EXPECT_EQ(ForName("c"), 0);
}

TEST_F(RouteTableTest, ExactDomainsWinOverWildcardsAndThoseOverStarAndNone) {
  Use({{}, {.domains = {"*"}}, {.domains = {"*.b"}}, {.domains = {"a.b"}}});
  EXPECT_EQ(ForName("a.b"), 3);
  EXPECT_EQ(ForName("x.b"), 2);
  EXPECT_EQ(ForName("x.y"), 0) << "a star is no more than an empty list: the order decides";
  Use({{.domains = {"*"}}, {}});
  EXPECT_EQ(ForName("x.y"), 0);
}

TEST_F(RouteTableTest, TheMemberThatMatchesCountsNotTheList) {
  Use({{.domains = {"*.b"}}, {.domains = {"*.b", "a.b"}}});
  EXPECT_EQ(ForName("a.b"), 1);
  EXPECT_EQ(ForName("x.b"), 0);
}

// ---- client_ip

TEST_F(RouteTableTest, TheLongestPrefixWins) {
  Use({{},
       {.client_ip = {Block("0.0.0.0/0")}},
       {.client_ip = {Block("10.0.0.0/8")}},
       {.client_ip = {Block("10.1.0.0/16")}},
       {.client_ip = {Block("10.1.2.3")}}});
  EXPECT_EQ(ForClient("10.1.2.3"), 4);
  EXPECT_EQ(ForClient("10.1.2.4"), 3);
  EXPECT_EQ(ForClient("10.2.0.0"), 2);
  EXPECT_EQ(ForClient("9.255.255.255"), 1);
  EXPECT_EQ(ForClient("11.0.0.0"), 1);
  EXPECT_EQ(ForClient("2001:db8::1"), 0);
}

TEST_F(RouteTableTest, MappedAddressesAreTheIpv4AddressesTheyMap) {
  Use({{.client_ip = {Block("10.0.0.0/8")}}});
  EXPECT_EQ(ForClient("::ffff:10.1.2.3"), 0);
  EXPECT_EQ(ForClient("::10.1.2.3"), kNone);
}

TEST_F(RouteTableTest, APeerWithoutAddressMatchesNoBlock) {
  Use({{.client_ip = {Block("::/0")}}});
  EXPECT_EQ(ForClient("10.0.0.1"), 0) << "IPv4 is a part of all addresses";
  EXPECT_EQ(ForClient(""), kNone);
}

TEST_F(RouteTableTest, BlocksAtBothEndsOfAllAddressesHaveTheirBounds) {
  Use({{.client_ip = {Block("::")}},
       {.client_ip = {Block("ffff::/16")}},
       {.client_ip = {Block("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}}});
  EXPECT_EQ(ForClient("::"), 0);
  EXPECT_EQ(ForClient("::1"), kNone);
  EXPECT_EQ(ForClient("fffe:ffff::"), kNone);
  EXPECT_EQ(ForClient("ffff::"), 1);
  EXPECT_EQ(ForClient("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 2);
}

TEST_F(RouteTableTest, ABlockWithinAnotherFallsBackToItWhenItsOwnRouteNeedsMore) {
  Use({{.client_ip = {Block("10.0.0.0/8")}},
       {.client_ip = {Block("10.1.0.0/16")}, .alpn = {"h2"}},
       {.ports = {{443, 443}}, .client_ip = {Block("10.1.1.0/24")}}});
  EXPECT_EQ(Find({.client = "10.1.1.1", .alpn = {"h2"}}), 2);
  EXPECT_EQ(Find({.port = 80, .client = "10.1.1.1", .alpn = {"h2"}}), 1);
  EXPECT_EQ(Find({.port = 80, .client = "10.1.1.1"}), 0);
}

// ---- ports

TEST_F(RouteTableTest, RangesOfPortsIncludeBothEnds) {
  Use({{.ports = {{80, 90}, {443, 443}}}});
  for (const uint16_t port : {80, 85, 90, 443}) EXPECT_EQ(ForPort(port), 0) << port;
  for (const uint16_t port : {1, 79, 91, 442, 444, 65535}) EXPECT_EQ(ForPort(port), kNone) << port;
}

TEST_F(RouteTableTest, EveryPortIsFoundInRangesThatShareNone) {
  Use({{.ports = {{1, 1000}}}, {.ports = {{1001, 32769}}}, {.ports = {{32770, 65534}}}});
  for (int port = 1; port < 65535; ++port) {
    ASSERT_EQ(ForPort(static_cast<uint16_t>(port)), port <= 1000 ? 0 : port <= 32769 ? 1 : 2);
  }
  EXPECT_EQ(ForPort(65535), kNone);
}

TEST_F(RouteTableTest, UnixListenersMatchRoutesWithoutPortsOnly) {
  Use({{.ports = {{1, 65535}}}, {}});
  EXPECT_EQ(ForPort(443), 0);
  EXPECT_EQ(ForPort(0), 1);
}

TEST_F(RouteTableTest, FewerPortsWinAndOverlapsAreCountedOnce) {
  Use({{.ports = {{1, 65535}}}, {.ports = {{440, 450}}}, {.ports = {{443, 450}, {443, 450}}}});
  EXPECT_EQ(ForPort(443), 2);
  EXPECT_EQ(ForPort(440), 1);
  EXPECT_EQ(ForPort(80), 0);
}

// ---- alpn and versions

TEST_F(RouteTableTest, OneOfferedProtocolIsEnough) {
  Use({{.alpn = {"h2", "acme-tls/1"}}});
  EXPECT_EQ(Find({.alpn = {"http/1.1", "h2"}}), 0);
  EXPECT_EQ(Find({.alpn = {"acme-tls/1"}}), 0);
  EXPECT_EQ(Find({.alpn = {"H2", "http/1.1", ""}}), kNone);
  EXPECT_EQ(Find({}), kNone);
}

TEST_F(RouteTableTest, OffersAreNotPreferencesTheOrderOfRoutesDecides) {
  Use({{.alpn = {"http/1.1"}}, {.alpn = {"h2"}}});
  EXPECT_EQ(Find({.alpn = {"h2", "http/1.1"}}), 0);
}

TEST_F(RouteTableTest, TheBestVersionOfTheClientDecides) {
  Use({{.tls_versions = {TlsVersion::kTls12}}, {.tls_versions = {TlsVersion::kTls13}}, {}});
  EXPECT_EQ(Find({.version = TlsVersion::kTls12}), 0);
  EXPECT_EQ(Find({.version = TlsVersion::kTls13}), 1);
  EXPECT_EQ(Find({.version = std::nullopt}), 2);
}

TEST_F(RouteTableTest, AListOfAllVersionsDoesNotMatchAClientWithNone) {
  Use({{.tls_versions = {TlsVersion::kTls12, TlsVersion::kTls13}}});
  EXPECT_EQ(Find({.version = TlsVersion::kTls12}), 0);
  EXPECT_EQ(Find({.version = std::nullopt}), kNone);
}

// ---- Which wins.

TEST_F(RouteTableTest, AllListsMustMatch) {
  Use({{.ports = {{443, 443}},
        .domains = {"a.b"},
        .client_ip = {Block("10.0.0.0/8")},
        .alpn = {"h2"},
        .tls_versions = {TlsVersion::kTls13}}});
  const Hello good = {.client = "10.0.0.1", .name = "a.b", .alpn = {"h2"}};
  EXPECT_EQ(Find(good), 0);
  for (int i = 0; i < 5; ++i) {
    Hello bad = good;
    if (i == 0) bad.port = 444;
    if (i == 1) bad.client = "11.0.0.1";
    if (i == 2) bad.name = "b.b";
    if (i == 3) bad.alpn = {"http/1.1"};
    if (i == 4) bad.version = TlsVersion::kTls12;
    EXPECT_EQ(Find(bad), kNone) << i;
  }
}

TEST_F(RouteTableTest, PriorityIsAskedBeforeSpecificity) {
  Use({Make({.domains = {"a.b"}, .client_ip = {Block("192.0.2.1")}}), Make({}, 1), Make({}, -1),
       Make({.domains = {"a.c"}}, 2)});
  EXPECT_EQ(ForName("a.b"), 1);
  EXPECT_EQ(ForName("a.c"), 3);
}

TEST_F(RouteTableTest, NegativePrioritiesAreLastResorts) {
  Use({Make({.domains = {"a.b"}}, -1), Make({})});
  EXPECT_EQ(ForName("a.b"), 1);
}

TEST_F(RouteTableTest, SpecificityGoesInTheDocumentedOrder) {
  // Each of these wins over all before it.
  const std::vector<Match> ascending = {
      {},
      {.tls_versions = {TlsVersion::kTls13}},
      {.alpn = {"h2"}},
      {.ports = {{1, 65535}}},
      {.ports = {{443, 443}}},
      {.client_ip = {Block("::/0")}},
      {.client_ip = {Block("192.0.2.1")}},
      {.domains = {"*.b"}},
      {.domains = {"a.b"}},
  };
  const Hello hello = {.name = "a.b", .alpn = {"h2"}};
  for (size_t i = 1; i < ascending.size(); ++i) {
    Use({ascending[i - 1], ascending[i]});
    EXPECT_EQ(Find(hello), 1) << i;
    Use({ascending[i], ascending[i - 1]});
    EXPECT_EQ(Find(hello), 0) << i;
  }
  Use(ascending);
  EXPECT_EQ(Find(hello), 8);
}

TEST_F(RouteTableTest, OfEqualsTheEarlierWins) {
  const Match same = {.ports = {{443, 443}}, .domains = {"a.b"}};
  Use({same, same, same});
  EXPECT_EQ(ForName("a.b"), 0);
  Use({{.domains = {"*.b"}, .alpn = {"h2"}}, {.domains = {"*.b"}, .alpn = {"acme"}}});
  EXPECT_EQ(Find({.name = "a.b", .alpn = {"acme", "h2"}}), 0);
}

TEST_F(RouteTableTest, ManyRoutesOfOneDomainThatDifferInOneListAreToldApart) {
  std::vector<Match> by_client;
  std::vector<Match> by_port;
  for (int i = 0; i < 5000; ++i) {
    by_client.push_back(
        {.domains = {"a.b"}, .client_ip = {Block(absl::StrCat("10.0.", i / 256, ".", i % 256))}});
    const auto port = static_cast<uint16_t>(i + 1);
    by_port.push_back({.ports = {{port, port}}, .domains = {"a.b"}});
  }
  Use(by_client);
  for (int i = 0; i < 5000; ++i) {
    const std::string client = absl::StrCat("10.0.", i / 256, ".", i % 256);
    ASSERT_EQ(Find({.client = client, .name = "a.b"}), i);
  }
  Use(by_port);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(Find({.port = static_cast<uint16_t>(i + 1), .name = "a.b"}), i);
  }
}

// ---- What Create() refuses.

void ExpectRefused(const Match& match, const std::string& why) {
  Route route = Make(match);
  route.name = "orders";
  const absl::Status status = RouteTable::Create({&route, 1}).status();
  EXPECT_FALSE(status.ok());
  const std::string message(status.message());
  EXPECT_NE(message.find("route 'orders': match"), std::string::npos) << message;
  EXPECT_NE(message.find(why), std::string::npos) << message;
}

TEST(RouteTableCreate, RefusesDomainsThatCouldNeverMatch) {
  for (const char* domain :
       {"", "A.b", "*.B", "*.", "a..b", ".a", "a.", "**", "*a.b", "a.*", "*.*"}) {
    ExpectRefused({.domains = {"ok", domain}}, absl::StrCat("domains: '", domain, "'"));
  }
}

TEST(RouteTableCreate, RefusesRangesThatAreNone) {
  ExpectRefused({.ports = {{0, 0}}}, "ports: 0-0");
  ExpectRefused({.ports = {{0, 443}}}, "ports: 0-443");
  ExpectRefused({.ports = {{444, 443}}}, "ports: 444-443");
}

TEST(RouteTableCreate, RefusesMoreProtocolsThanItCanTellApart) {
  Match match;
  for (int i = 0; i < 64; ++i) match.alpn.push_back(absl::StrCat("p", i));
  Route route = Make(match);
  ASSERT_TRUE(RouteTable::Create({&route, 1}).ok());
  match.alpn.push_back("one more");
  ExpectRefused(match, "64 protocols");
}

TEST(RouteTableCreate, RefusesListsWhoseProductWouldFillTheMemory) {
  Match match;
  for (int i = 0; i < 4096; ++i) {
    match.domains.push_back(absl::StrCat("d", i));
    match.client_ip.push_back(Block(absl::StrCat("10.0.", i / 256, ".", i % 256)));
  }
  ExpectRefused(match, "16777216 combinations");
}

TEST_F(RouteTableTest, TheLastOfTheProtocolsThatCanBeToldApartIsFound) {
  std::vector<Match> matches;
  for (int i = 0; i < 64; ++i) matches.push_back({.alpn = {absl::StrCat("p", i)}});
  Use(matches);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(Find({.alpn = {absl::StrCat("p", i)}}), i);
}

// ---- Against the plain reading of the rules.

TEST(RouteTableRandom, AgreesWithTheReference) {
  RandomRoutes random(20240731);
  int found_some = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::vector<Route> routes = random.Routes(24);
    const absl::StatusOr<RouteTable> table = RouteTable::Create(routes);
    ASSERT_TRUE(table.ok()) << table.status();
    for (int j = 0; j < 50; ++j) {
      const Hello hello = random.Query();
      const std::optional<size_t> expected = Reference::Find(routes, hello.query());
      ASSERT_EQ(table->Find(hello.query()), expected)
          << "table " << i << ": " << hello.name << " from " << hello.client << " on "
          << hello.port;
      if (expected.has_value()) ++found_some;
    }
  }
  EXPECT_GT(found_some, 100'000) << "or the comparison says little";
}

}  // namespace
}  // namespace tlsbridge
