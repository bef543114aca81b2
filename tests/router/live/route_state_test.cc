// What outlives a configuration.
#include "router/live/route_state.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "router/live/live_config.h"
#include "tests/router/backends/routes.h"

namespace tlsbridge {
namespace {

std::shared_ptr<const LiveConfig> Next(const std::vector<Route>& routes, const LiveConfig* before) {
  Config config;
  config.routes = routes;
  auto live =
      LiveConfig::Assemble(config, std::vector<RouteTls>(routes.size()), before, absl::UnixEpoch());
  EXPECT_TRUE(live.ok()) << live.status();
  return *std::move(live);
}

Route Named(const char* name) {
  Route route = testing::RouteTo(1);
  route.name = name;
  route.tls_mode = TlsMode::kPassthrough;
  return route;
}

TEST(RouteStateTest, ARouteThatIsPutBackFindsItsConnectionsCounted) {
  Route limited = Named("a");
  limited.limits.connections = 2;
  const SocketAddress client = testing::Address("192.0.2.1:1");
  const absl::Time now = absl::UnixEpoch();
  auto live = Next({limited, Named("b")}, nullptr);
  const std::shared_ptr<const LiveRoute> of_connection = live->Share("a");
  Admission::Token first;
  Admission::Token second;
  ASSERT_EQ(of_connection->state->admission.Admit(client, now, &first), TerminationReason::kNone);
  live = Next({Named("b")}, live.get());
  live = Next({limited, Named("b")}, live.get());
  Admission& admission = live->ByName("a")->state->admission;
  EXPECT_EQ(admission.connections(), 1);
  EXPECT_EQ(admission.Admit(client, now, &second), TerminationReason::kNone);
  Admission::Token third;
  EXPECT_EQ(admission.Admit(client, now, &third), TerminationReason::kRouteLimit);
}

TEST(RouteStateTest, ARouteThatNobodyUsesIsForgotten) {
  auto live = Next({Named("a"), Named("b")}, nullptr);
  const std::weak_ptr<RouteState> state = live->ByName("a")->state;
  live = Next({Named("b")}, live.get());
  EXPECT_TRUE(state.expired());
}

TEST(RouteStateTest, ARouteThatDoesNotChangeStaysTheSameObject) {
  auto live = Next({Named("a"), Named("b")}, nullptr);
  const std::shared_ptr<const LiveRoute> before = live->Share("a");
  Route changed = Named("b");
  changed.limits.connections = 7;
  live = Next({changed, Named("a")}, live.get());
  EXPECT_EQ(live->Share("a"), before);
}

}  // namespace
}  // namespace tlsbridge
