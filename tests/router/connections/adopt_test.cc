// A configuration that takes the place of another while connections are open.
#include <limits>
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

TEST_F(Adopt, AClientWhoseRouteGoesBeforeItHasSaidWhatItWantsDrainsLikeOthers) {
  config_.shutdown.drain_timeout = absl::Seconds(5);
  route_.timeouts.max_lifetime = absl::ZeroDuration();
  StartRouter();
  client_ = ConnectTls({.allowance = 0});
  Settle();
  manager_->Adopt(LiveOf(WithOtherRouteOnly()));
  client_->Allow(std::numeric_limits<size_t>::max());
  ASSERT_TRUE(Until([this] {
    if (backend_peer_ == nullptr) backend_peer_ = backend_->Accept();
    return backend_peer_ != nullptr && client_->handshake_done();
  }));
  client_->Send("an answer to this is never given");
  Settle();
  Advance(absl::Seconds(4));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Seconds(1));
  EXPECT_EQ(Ended(Reason::kRouteRemoved), 1u);
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
