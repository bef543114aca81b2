// Checks and lookups that go on while configurations change.
#include "router/live/backend_watch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bridge/event/clock.h"
#include "tests/router/backends/dns_responder.h"
#include "tests/router/backends/routes.h"
#include "tests/support/log_capture.h"

namespace tlsbridge {
namespace {

using testing::BackendAt;
using testing::BackendNamed;
using testing::DnsResponder;

class BackendWatchTest : public ::testing::Test {
 protected:
  BackendWatchTest() {
    config_.routes.resize(2);
    config_.routes[0].name = "main";
    config_.routes[1].name = "other";
    for (Route& route : config_.routes) route.tls_mode = TlsMode::kPassthrough;
    config_.routes[1].backends = {BackendAt("127.0.0.1:9")};
  }

  // Serves config_ from now on.
  void Serve() {
    auto live = LiveConfig::Assemble(config_, std::vector<RouteTls>(config_.routes.size()),
                                     live_.get(), loop_->now());
    ASSERT_TRUE(live.ok()) << live.status();
    live_ = *std::move(live);
    watch_.Adopt(*live_);
  }

  Route& main() { return config_.routes[0]; }
  std::vector<EndpointStatus> Endpoints() {
    return live_->ByName("main")->backends->Endpoints(loop_->now());
  }
  // Time passes, in steps that let a refused connection be seen.
  void Pass(absl::Duration time) {
    for (const absl::Time end = clock_.Monotonic() + time; clock_.Monotonic() < end;) {
      clock_.Advance(absl::Milliseconds(100));
      for (int i = 0; i < 5; ++i) loop_->Turn(/*wait=*/false);
    }
  }

  testing::LogCapture log_;
  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  LiveCounters live_counters_;
  Config config_;
  std::shared_ptr<const LiveConfig> live_;
  BackendWatch watch_{loop_.get(), &live_counters_};
};

TEST_F(BackendWatchTest, ADeadBackendIsFoundThoughAnotherRouteChangesAllTheTime) {
  main().backends = {BackendAt("127.0.0.1:9"), BackendAt("127.0.0.2:9")};
  main().health = {
      .kind = HealthCheck::Kind::kTcp, .interval = absl::Seconds(5), .unhealthy_after = 3};
  Serve();
  for (int i = 1; i <= 20; ++i) {
    Pass(absl::Seconds(2));
    config_.routes[1].limits.connections = i;
    Serve();
  }
  for (const EndpointStatus& endpoint : Endpoints()) EXPECT_FALSE(endpoint.healthy);
}

TEST_F(BackendWatchTest, ARouteWhosePoolIsMadeAnewKeepsItsChecksResults) {
  main().backends = {BackendAt("127.0.0.1:9")};
  main().health.kind = HealthCheck::Kind::kTcp;
  Serve();
  Pass(absl::Seconds(30));
  main().balance = Balance::kLeastConnections;
  Serve();
  EXPECT_FALSE(Endpoints()[0].healthy);
  Pass(absl::Seconds(30));
  EXPECT_EQ(log_.Events("backend_unhealthy").size(), 1u);
}

TEST_F(BackendWatchTest, ChecksThatAreDroppedLeaveNobodyUnhealthy) {
  main().backends = {BackendAt("127.0.0.1:9")};
  main().health.kind = HealthCheck::Kind::kTcp;
  Serve();
  Pass(absl::Seconds(30));
  ASSERT_FALSE(Endpoints()[0].healthy);
  main().health.kind = HealthCheck::Kind::kNone;
  Serve();
  EXPECT_TRUE(Endpoints()[0].healthy);
}

TEST_F(BackendWatchTest, ARefusedConfigurationChangesNothing) {
  main().backends = {BackendAt("127.0.0.1:9")};
  main().health.kind = HealthCheck::Kind::kTcp;
  Serve();
  Pass(absl::Seconds(30));
  Config refused = config_;
  refused.routes[0].health.kind = HealthCheck::Kind::kNone;
  refused.routes[0].limits.connections = 1;
  refused.routes[0].backends = {BackendAt("127.0.0.1:9"), BackendAt("127.0.0.3:9")};
  ASSERT_TRUE(
      LiveConfig::Assemble(refused, std::vector<RouteTls>(2), live_.get(), loop_->now()).ok());
  EXPECT_EQ(Endpoints().size(), 1u);
  EXPECT_FALSE(Endpoints()[0].healthy);
  EXPECT_GT(live_->ByName("main")->state->admission.limit(), 1);
}

TEST_F(BackendWatchTest, NamesAreNotAskedForAgainByEachReload) {
  DnsResponder server(loop_.get());
  server.SetAddresses("orders.internal", {"127.0.0.1", "127.0.0.2"}, 3600);
  main().backends = {BackendNamed("orders.internal", 80)};
  main().dns.servers = {server.address()};
  Serve();
  while (Endpoints().empty()) loop_->Turn(/*wait=*/true);
  ASSERT_EQ(Endpoints().size(), 2u);
  const int asked = server.udp_questions();
  for (int i = 1; i <= 10; ++i) {
    main().limits.connections = i;
    Serve();
    EXPECT_EQ(Endpoints().size(), 2u);
    for (int turn = 0; turn < 20; ++turn) loop_->Turn(/*wait=*/false);
  }
  EXPECT_EQ(server.udp_questions(), asked);
}

int Entries(const char* folder) {
  const std::filesystem::directory_iterator entries(folder);
  return static_cast<int>(std::distance(begin(entries), end(entries)));
}

TEST_F(BackendWatchTest, TwoHundredNamesOfTwentyRoutesShareOneThreadAndOneSocket) {
  DnsResponder server(loop_.get());
  config_.routes.clear();
  for (int i = 0; i < 20; ++i) {
    Route& route = config_.routes.emplace_back();
    route.name = "route" + std::to_string(i);
    route.tls_mode = TlsMode::kPassthrough;
    route.dns.servers = {server.address()};
    for (int k = 0; k < 10; ++k) {
      const std::string name = "n" + std::to_string(k) + "." + route.name + ".internal";
      server.SetAddresses(name, {"127.0.0.1"}, 3600);
      route.backends.push_back(BackendNamed(name, 80));
    }
  }
  const int threads = Entries("/proc/self/task");
  const int descriptors = Entries("/proc/self/fd");
  Serve();
  const auto resolved = [this] {
    size_t endpoints = 0;
    for (const auto& route : live_->routes()) {
      endpoints += route->backends->Endpoints(loop_->now()).size();
    }
    return endpoints;
  };
  int most = 0;
  while (resolved() < 200) {
    loop_->Turn(/*wait=*/true);
    most = std::max(most, Entries("/proc/self/fd") - descriptors);
  }
  EXPECT_EQ(Entries("/proc/self/task"), threads + 1);
  EXPECT_LE(most, 8) << "the thread's loop, a file that it reads, a name server's socket";
}

TEST_F(BackendWatchTest, ANameThatIsGoneIsForgottenThoughTheSettingsOfDnsChangeMeanwhile) {
  DnsResponder server(loop_.get());
  server.SetAddresses("orders.internal", {"127.0.0.1", "127.0.0.2"}, 5);
  main().backends = {BackendNamed("orders.internal.", 80)};
  main().dns.servers = {server.address()};
  main().dns.forget_after = absl::Seconds(20);
  Serve();
  while (Endpoints().empty()) loop_->Turn(/*wait=*/true);
  ASSERT_EQ(Endpoints().size(), 2u);
  server.SetAddresses("orders.internal", {}, 5);
  Pass(absl::Seconds(10));
  main().dns.ttl_ceiling = absl::Seconds(60);
  Serve();
  EXPECT_EQ(Endpoints().size(), 2u);
  // Answers come by a thread.
  for (int i = 0; i < 3000 && !Endpoints().empty(); ++i) {
    Pass(absl::Milliseconds(100));
    poll(nullptr, 0, /*timeout=*/1);
  }
  EXPECT_EQ(Endpoints().size(), 0u);
}

}  // namespace
}  // namespace tlsbridge
