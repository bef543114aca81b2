// What a configuration makes the process need.
#include "router/service/confinement.h"

#include <limits.h>
#include <stdlib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/config/backend_address.h"

namespace tlsbridge {
namespace {

using ::testing::Contains;
using ::testing::Not;

std::shared_ptr<const LiveConfig> LiveWith(const std::string& backend) {
  Config config;
  config.listeners.push_back({.address = *SocketAddress::Parse("127.0.0.1:0")});
  Route route;
  route.name = "orders";
  route.backends.push_back({.address = *ParseBackendAddress(backend)});
  config.routes.push_back(std::move(route));
  return *LiveConfig::Assemble(std::move(config), {RouteTls()}, nullptr, absl::UnixEpoch());
}

std::vector<std::string> FoldersOf(const LiveConfig& live) {
  return NeedsOf(live, {"/srv/conf/tlsbridge.yaml"}, {.sandbox = true}).folders;
}

// Only /etc itself finds a resolv.conf that is replaced there; one that is a link elsewhere is
// found in its folder.
TEST(ConfinementTest, EtcIsReadOnlyWhereTheSystemsNameServersAreAsked) {
  char real[PATH_MAX];
  if (realpath("/etc/resolv.conf", real) != nullptr && std::string(real) != "/etc/resolv.conf") {
    GTEST_SKIP() << "/etc/resolv.conf is a link to " << real;
  }
  EXPECT_THAT(FoldersOf(*LiveWith("127.0.0.1:80")), Not(Contains("/etc")));
  EXPECT_THAT(FoldersOf(*LiveWith("dns:orders.internal:80")), Contains("/etc"));
  EXPECT_THAT(FoldersOf(*LiveWith("srv:_orders._tcp.internal")), Contains("/etc"));
}

TEST(ConfinementTest, TheFolderOfTheConfigurationIsRead) {
  EXPECT_THAT(FoldersOf(*LiveWith("127.0.0.1:80")), Contains("/srv/conf"));
}

TEST(ConfinementTest, FoldersOfUnixListenersAreWrittenAndLowPortsKept) {
  Config config;
  config.listeners.push_back({.address = *SocketAddress::Parse("unix:/run/orders/tls.sock")});
  config.listeners.push_back({.address = *SocketAddress::Parse("127.0.0.1:443")});
  const auto live = *LiveConfig::Assemble(std::move(config), {}, nullptr, absl::UnixEpoch());
  const SandboxNeeds needs = NeedsOf(*live, {}, {.sandbox = true});
  EXPECT_THAT(needs.sockets, Contains("/run/orders"));
  EXPECT_TRUE(needs.kept.low_ports);
  EXPECT_FALSE(needs.kept.firewall);
}

}  // namespace
}  // namespace tlsbridge
