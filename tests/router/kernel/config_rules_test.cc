// What a configuration makes of the kernel's rules, and whether nft takes it.
#include "router/kernel/config_rules.h"

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/config/backend_address.h"
#include "tests/router/kernel/support/net_namespace.h"

namespace tlsbridge::kernel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using tlsbridge::testing::NetNamespace;
using tlsbridge::testing::RunCommand;

tlsbridge::Backend At(const std::string& address) { return {*ParseBackendAddress(address)}; }

Config Database() {
  tlsbridge::Route route;
  route.name = "database";
  route.tls_mode = TlsMode::kPassthrough;
  route.forwarding_engine = ForwardingEngine::kNftables;
  route.backends = {At("10.7.2.11:5432"), At("[2001:db8::11]:5432"), At("dns:db.internal:5432")};
  Config config;
  config.kernel.table = "tlsbridge-2";
  config.listeners = {{.address = *SocketAddress::Parse("10.7.1.1:443")},
                      {.address = *SocketAddress::Parse("[::]:443")}};
  config.routes = {route};
  return config;
}

TEST(ConfigRulesTest, HasTheTableAndWhereItsRoutesGo) {
  const std::string text = ConfigRulesText(Database());
  EXPECT_THAT(text, HasSubstr("\ntable inet tlsbridge-2 {\n"));
  EXPECT_THAT(text, HasSubstr("10.7.1.1 . 443 : 10.7.2.11 . 5432"));
  EXPECT_THAT(text, HasSubstr("443 : 2001:db8::11 . 5432"));
}

TEST(ConfigRulesTest, SaysWhichBackendsAreNotKnownYet) {
  EXPECT_THAT(ConfigRulesText(Database()),
              HasSubstr("# dns:db.internal:5432 of database is looked up when the program runs\n"));
}

TEST(ConfigRulesTest, WhatTheProgramForwardsIsInNoRule) {
  Config config = Database();
  config.routes[0].forwarding_engine = ForwardingEngine::kProxy;
  EXPECT_THAT(ConfigRulesText(config), Not(HasSubstr("443")));
  config = Database();
  config.routes[0].backends[0].drain = true;
  EXPECT_THAT(ConfigRulesText(config), Not(HasSubstr("10.7.1.1 . 443 :")));
}

class ConfigRulesNftTest : public tlsbridge::testing::NamespaceTest {};

TEST_F(ConfigRulesNftTest, NftTakesThem) {
  Config config = Database();
  tlsbridge::Route& route = config.routes[0];
  route.kernel.source = KernelSource::kKeep;
  route.deny_ip = {*Cidr::Parse("10.66.0.0/16")};
  route.match.client_ip = {*Cidr::Parse("10.0.0.0/8"), *Cidr::Parse("2001:db8::/32")};
  route.limits = {.connections = UINT32_MAX,
                  .connections_per_ip = UINT32_MAX,
                  .new_per_ip_per_minute = UINT32_MAX};
  route.timeouts.inactivity = absl::ZeroDuration();
  config.routes.push_back(route);
  config.routes[1].name = "second";
  config.routes[1].match.client_ip.clear();
  config.routes[1].backends.push_back(At("10.7.2.12:5432"));
  config.routes[1].balance = tlsbridge::Balance::kSourceHash;
  const NetNamespace ours;
  ours.Enter();
  for (const std::string& text : {ConfigRulesText(Database()), ConfigRulesText(config)}) {
    const std::string path = absl::StrCat(::testing::TempDir(), "/rules.nft");
    std::ofstream(path) << text;
    for (const char* command : {"nft -c -f ", "nft -f "}) {
      const auto taken = RunCommand(command + path);
      EXPECT_EQ(taken.exit_code, 0) << command << taken.output << "\n" << text;
    }
  }
}

}  // namespace
}  // namespace tlsbridge::kernel
