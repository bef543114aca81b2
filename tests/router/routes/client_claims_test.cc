#include "router/routes/client_claims.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::ElementsAre;

Route Named(const std::string& name) {
  Route route;
  route.name = name;
  return route;
}

TEST(ClientClaimsTest, ARouteIsAskedAtTheRankOfTheClientHelloThatSuitsItBest) {
  std::vector<Route> routes = {Named("all"), Named("by-name"), Named("by-address")};
  routes[1].match.domains = {"*", "orders.internal"};
  routes[2].match.client_ip = {*Cidr::Parse("10.0.0.0/8"), *Cidr::Parse("10.1.0.0/16")};
  const ClientClaim all = {std::nullopt, 0};
  const ClientClaim by_name = {std::nullopt, 1};
  EXPECT_THAT(ClientClaims(routes).On(443),
              ElementsAre(by_name, ClientClaim{*Cidr::Parse("10.1.0.0/16"), 2},
                          ClientClaim{*Cidr::Parse("10.0.0.0/8"), 2}, all));
  routes[0].priority = 1;
  EXPECT_EQ(ClientClaims(routes).On(443).front(), all);
}

TEST(ClientClaimsTest, OnlyRoutesOfThePortAreAsked) {
  std::vector<Route> routes = {Named("one"), Named("range"), Named("other"), Named("two")};
  routes[0].match.ports = {{443, 443}};
  routes[1].match.ports = {{400, 500}};
  routes[2].match.ports = {{444, 444}};
  routes[3].match.ports = {{442, 442}, {443, 443}};
  const ClientClaim one = {std::nullopt, 0};
  EXPECT_THAT(ClientClaims(routes).On(443),
              ElementsAre(one, ClientClaim{std::nullopt, 3}, ClientClaim{std::nullopt, 1}));
  EXPECT_TRUE(ClientClaims(routes).On(0).empty());
}

TEST(ClientClaimsTest, NamesProtocolsAndVersionsAskForTheClientHello) {
  Match match;
  match.ports = {{443, 443}};
  match.client_ip = {*Cidr::Parse("10.0.0.0/8")};
  match.domains = {"*"};
  EXPECT_FALSE(AsksClientHello(match));
  match.domains = {"*", "*.internal"};
  EXPECT_TRUE(AsksClientHello(match));
  match.domains.clear();
  match.alpn = {"h2"};
  EXPECT_TRUE(AsksClientHello(match));
  match.alpn.clear();
  match.tls_versions = {TlsVersion::kTls13};
  EXPECT_TRUE(AsksClientHello(match));
}

}  // namespace
}  // namespace tlsbridge
