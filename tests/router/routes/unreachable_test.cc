#include "router/routes/unreachable.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/router/routes/reference.h"

namespace tlsbridge {
namespace {

using Pairs = std::vector<std::pair<size_t, size_t>>;

Cidr Block(const std::string& text) { return *Cidr::Parse(text); }

Pairs Find(const std::vector<Route>& routes) {
  Pairs pairs;
  for (const UnreachableRoute& u : FindUnreachable(routes)) pairs.emplace_back(u.route, u.winner);
  return pairs;
}

// The first has the priority given, the others 0.
Pairs Find(const std::vector<Match>& matches, int first_priority = 0) {
  std::vector<Route> routes(matches.size());
  for (size_t i = 0; i < matches.size(); ++i) routes[i].match = matches[i];
  if (!routes.empty()) routes[0].priority = first_priority;
  return Find(routes);
}

const Pairs kNone = {};
const Pairs kSecond = {{1, 0}};

TEST(Unreachable, NoneWhereThereIsNoneToWin) {
  EXPECT_EQ(Find(std::vector<Match>()), kNone);
  EXPECT_EQ(Find({Match{}}), kNone);
}

TEST(Unreachable, TheSecondOfTwoEqualRoutes) {
  EXPECT_EQ(Find({Match{}, Match{}}), kSecond);
  const Match match = {.ports = {{443, 443}}, .domains = {"a.b"}, .alpn = {"h2"}};
  EXPECT_EQ(Find({match, match}), kSecond);
  EXPECT_EQ(Find({match, match, match}), (Pairs{{1, 0}, {2, 0}}));
}

TEST(Unreachable, AStarIsAsGoodAsNoList) {
  EXPECT_EQ(Find({{.domains = {"*"}}, {}}), kSecond);
  EXPECT_EQ(Find({{}, {.domains = {"*"}}}), kSecond);
}

TEST(Unreachable, AWiderRouteWinsOnlyByPriority) {
  const std::vector<Match> narrow = {{.ports = {{443, 443}}},
                                     {.domains = {"a.b"}},
                                     {.client_ip = {Block("::/0")}},
                                     {.alpn = {"h2"}},
                                     {.tls_versions = {TlsVersion::kTls12}}};
  for (const Match& match : narrow) {
    EXPECT_EQ(Find({{}, match}), kNone);
    EXPECT_EQ(Find({{}, match}, 1), kSecond);
    EXPECT_EQ(Find({match, {}}, 1), kNone) << "the narrow one does not cover the wide one";
  }
}

TEST(Unreachable, WildcardsCoverOneLabel) {
  EXPECT_EQ(Find({{.domains = {"*.b"}}, {.domains = {"a.b"}}}, 1), kSecond);
  EXPECT_EQ(Find({{.domains = {"*.b"}}, {.domains = {"x.a.b"}}}, 1), kNone);
  EXPECT_EQ(Find({{.domains = {"*.b"}}, {.domains = {"*.a.b"}}}, 1), kNone);
  EXPECT_EQ(Find({{.domains = {"*.b"}}, {.domains = {"a.b", "b"}}}, 1), kNone);
  EXPECT_EQ(Find({{.domains = {"*.b", "b"}}, {.domains = {"a.b", "b"}}}, 1), kSecond);
}

TEST(Unreachable, BlocksCoverThoseWithin) {
  const Match wide = {.client_ip = {Block("10.0.0.0/8")}};
  EXPECT_EQ(Find({wide, {.client_ip = {Block("10.1.0.0/16"), Block("10.2.3.4")}}}, 1), kSecond);
  EXPECT_EQ(Find({wide, {.client_ip = {Block("10.1.0.0/16"), Block("11.2.3.4")}}}, 1), kNone);
  EXPECT_EQ(Find({wide, {.client_ip = {Block("10.0.0.0/7")}}}, 1), kNone);
}

TEST(Unreachable, PortsAreCoveredByAllRangesTogether) {
  EXPECT_EQ(Find({{.ports = {{400, 443}, {444, 500}}}, {.ports = {{443, 444}}}}, 1), kSecond);
  EXPECT_EQ(Find({{.ports = {{400, 442}, {444, 500}}}, {.ports = {{442, 444}}}}, 1), kNone);
  EXPECT_EQ(Find({{.ports = {{1, 65535}}}, {}}, 1), kNone) << "a UNIX listener has no port";
}

TEST(Unreachable, VersionsListedInFullDoNotCoverAClientWithNone) {
  const Match both = {.tls_versions = {TlsVersion::kTls12, TlsVersion::kTls13}};
  EXPECT_EQ(Find({both, {}}, 1), kNone);
  EXPECT_EQ(Find({both, {.tls_versions = {TlsVersion::kTls12}}}), kSecond);
}

TEST(Unreachable, TheWinnerNamedIsTheFirstToBeAsked) {
  std::vector<Route> routes(3);
  routes[0].match.domains = {"a.b"};
  routes[1].priority = 1;
  routes[2].priority = 2;
  EXPECT_EQ(Find(routes), (Pairs{{0, 2}, {1, 2}}));
}

TEST(Unreachable, IsSeenAmongThousandsThatShareADomain) {
  std::vector<Route> routes(4000);
  for (size_t i = 0; i < routes.size(); ++i) {
    routes[i].match.domains = {"a.b"};
    routes[i].match.client_ip = {Block(absl::StrCat("10.0.", i / 256, ".", i % 256))};
  }
  routes[3999].match.client_ip = routes[1234].match.client_ip;
  EXPECT_EQ(Find(routes), (Pairs{{3999, 1234}}));
}

TEST(UnreachableRandom, NoQueryEverChoosesAnUnreachableRoute) {
  RandomRoutes random(19700101);
  int unreachable = 0;
  int asked = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::vector<Route> routes = random.Routes(24);
    const std::vector<UnreachableRoute> found = FindUnreachable(routes);
    unreachable += static_cast<int>(found.size());
    for (int j = 0; j < 50; ++j) {
      const Hello hello = random.Query();
      const std::optional<size_t> chosen = Reference::Find(routes, hello.query());
      for (const UnreachableRoute& u : found) {
        ASSERT_NE(chosen, u.route) << "table " << i;
        // Where the one matches, so does the winner, and it wins between the two.
        const std::vector<Route> alone = {routes[u.route]};
        if (!Reference::Find(alone, hello.query()).has_value()) continue;
        const bool earlier = u.winner < u.route;
        const std::vector<Route> both = {routes[earlier ? u.winner : u.route],
                                         routes[earlier ? u.route : u.winner]};
        ASSERT_EQ(Reference::Find(both, hello.query()), earlier ? 0u : 1u) << "table " << i;
        ++asked;
      }
    }
  }
  EXPECT_GT(unreachable, 1000) << "or the comparison says little";
  EXPECT_GT(asked, 1000);
}

// Some are missed: queries are few, and what several members cover together is not looked at.
TEST(UnreachableRandom, MissesFewOfThePairsThatNoQueryCanTellApart) {
  RandomRoutes random(42);
  std::vector<Hello> queries;
  for (int i = 0; i < 2000; ++i) queries.push_back(random.Query());
  int dead = 0;
  int missed = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::vector<Route> routes = random.Routes(2);
    if (routes.size() < 2) continue;
    std::vector<bool> chosen(2);
    for (const Hello& hello : queries) {
      const auto winner = Reference::Find(routes, hello.query());
      if (winner.has_value()) chosen[*winner] = true;
      if (chosen[0] && chosen[1]) break;
    }
    const int alive = chosen[0] + chosen[1];
    if (alive != 1) continue;
    ++dead;
    if (FindUnreachable(routes).empty()) ++missed;
  }
  EXPECT_GT(dead, 50);
  EXPECT_LT(missed * 2, dead) << missed << " of " << dead;
}

}  // namespace
}  // namespace tlsbridge
