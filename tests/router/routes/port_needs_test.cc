#include "router/routes/port_needs.h"

#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

Route Make(const Match& match, TlsMode mode = TlsMode::kTerminate) {
  Route route;
  route.match = match;
  route.tls_mode = mode;
  return route;
}

TEST(PortNeeds, WithoutRoutesNothingIsAskedAndNothingFound) {
  const PortNeeds needs = NeedsOfPort({}, 443);
  EXPECT_FALSE(needs.client_hello);
  EXPECT_TRUE(needs.no_route);
  EXPECT_FALSE(needs.terminate || needs.passthrough || needs.reencrypt || needs.block);
}

TEST(PortNeeds, PortsAndAddressesNeedNoHello) {
  const std::vector<Route> routes = {Make({.ports = {{443, 443}}}),
                                     Make({.client_ip = {*Cidr::Parse("10.0.0.0/8")}}),
                                     Make({.domains = {"*"}})};
  const PortNeeds needs = NeedsOfPort(routes, 443);
  EXPECT_FALSE(needs.client_hello);
  EXPECT_FALSE(needs.no_route);
}

TEST(PortNeeds, EachListOfTheHelloNeedsIt) {
  const std::vector<Match> matches = {{.domains = {"a.b"}},
                                      {.domains = {"*.b"}},
                                      {.domains = {"*", "a.b"}},
                                      {.alpn = {"h2"}},
                                      {.tls_versions = {TlsVersion::kTls13}}};
  for (const Match& match : matches) {
    const std::vector<Route> routes = {Make(match)};
    EXPECT_TRUE(NeedsOfPort(routes, 443).client_hello);
  }
}

TEST(PortNeeds, OnlyRoutesOfThePortCount) {
  std::vector<Route> routes = {
      Make({.ports = {{443, 443}}, .domains = {"a.b"}}, TlsMode::kPassthrough),
      Make({.ports = {{8000, 9000}}}, TlsMode::kTerminateAndReencrypt)};
  PortNeeds needs = NeedsOfPort(routes, 443);
  EXPECT_TRUE(needs.client_hello && needs.passthrough && needs.no_route);
  EXPECT_FALSE(needs.reencrypt || needs.terminate);
  needs = NeedsOfPort(routes, 9000);
  EXPECT_TRUE(needs.reencrypt);
  EXPECT_FALSE(needs.client_hello || needs.passthrough || needs.no_route);
  needs = NeedsOfPort(routes, 0);
  EXPECT_TRUE(needs.no_route);
  EXPECT_FALSE(needs.client_hello || needs.passthrough || needs.reencrypt);
}

TEST(PortNeeds, ABlockingRouteHasNoModeOfTls) {
  std::vector<Route> routes = {Make({})};
  routes[0].action = RouteAction::kBlock;
  const PortNeeds needs = NeedsOfPort(routes, 443);
  EXPECT_TRUE(needs.block);
  EXPECT_FALSE(needs.terminate || needs.no_route);
}

}  // namespace
}  // namespace tlsbridge
