// A configuration that takes the place of another while connections are open.
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/crowd.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class Adopt : public CrowdFixture {
 protected:
  // Routes of `config`, for clients of the certificate that all tests have.
  std::shared_ptr<const LiveConfig> LiveOf(Config config) {
    std::vector<RouteTls> tls(config.routes.size());
    for (RouteTls& route : tls) route.server = tls_;
    auto live = LiveConfig::Assemble(std::move(config), std::move(tls), nullptr, loop_->now());
    EXPECT_TRUE(live.ok()) << live.status();
    return *std::move(live);
  }

  Config WithOtherRouteOnly() {
    Config config = config_;
    config.routes[0].name = "other";
    return config;
  }

  BlackHole nobody_;
};

TEST_F(Adopt, HalfClosedClientsOfARemovedRouteThatWaitForABackendAllEnd) {
  backend_address_ = nobody_.address();
  config_.shutdown.drain_timeout = absl::ZeroDuration();
  route_.timeouts.connect = absl::Minutes(10);
  StartRouter();
  ASSERT_TRUE(ConnectMany(40));
  for (auto& client : clients_) {
    client->SendCloseNotify();
    client->socket().Fin();
  }
  Settle();
  ASSERT_EQ(live_connections(), 40u);
  manager_->Adopt(LiveOf(WithOtherRouteOnly()));
  ASSERT_TRUE(UntilEmpty());
  EXPECT_EQ(Ended(Reason::kRouteRemoved), 40u);
}

TEST_F(Adopt, AConnectionKeepsItsRouteAndNotTheWholeConfiguration) {
  StartRouter();
  ConnectThrough();
  auto next = LiveOf(WithOtherRouteOnly());
  const std::weak_ptr<const LiveConfig> whole = next;
  const std::weak_ptr<const LiveRoute> its_route = next->Share("other");
  manager_->Adopt(std::move(next));
  auto client = ConnectTls();
  std::unique_ptr<Peer> backend;
  ASSERT_TRUE(Until([&] {
    client->Step();
    if (backend == nullptr) backend = backend_->Accept();
    return backend != nullptr && client->handshake_done();
  }));
  Settle();
  manager_->Adopt(LiveOf(config_));
  EXPECT_TRUE(whole.expired());
  EXPECT_FALSE(its_route.expired());
}

}  // namespace
}  // namespace tlsbridge::testing
