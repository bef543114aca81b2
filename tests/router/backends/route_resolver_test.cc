// From a name server on loopback to a lease, by c-ares.
#include "router/backends/route_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "bridge/event/clock.h"
#include "bridge/event/timer.h"
#include "router/backends/cares_client.h"
#include "tests/router/backends/dns_responder.h"
#include "tests/router/backends/routes.h"
#include "tests/support/log_capture.h"

namespace tlsbridge {
namespace {

using testing::BackendNamed;
using testing::DnsResponder;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class RouteResolverTest : public ::testing::Test {
 protected:
  RouteResolverTest() {
    route_.name = "orders";
    route_.dns.servers = {server_.address()};
    route_.dns.timeout = absl::Milliseconds(300);
    route_.dns.ttl_floor = absl::Milliseconds(20);
  }

  void Start() {
    pool_ = testing::MakePool(route_, loop_->now());
    resolver_ = std::make_unique<RouteResolver>(
        loop_.get(), std::make_unique<CaresClient>(loop_.get(), route_.dns), route_.dns,
        [this] { ++changes_; });
    resolver_->Adopt(route_, pool_);
    EXPECT_EQ(changes_, 0);
  }

  std::set<std::string> Names() {
    std::set<std::string> names;
    for (const auto& status : pool_->Endpoints(loop_->now())) names.insert(status.name);
    return names;
  }

  ::testing::AssertionResult TurnUntil(const std::function<bool()>& done) {
    bool late = false;
    Timer deadline(
        loop_.get(), [&late] { late = true; }, Timer::Of::kService);
    deadline.ArmAfter(absl::Seconds(30));
    while (!done() && !late) loop_->Turn(/*wait=*/true);
    return late ? ::testing::AssertionFailure() << "in vain" : ::testing::AssertionSuccess();
  }

  SystemClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  DnsResponder server_{loop_.get()};
  Route route_;
  std::shared_ptr<BackendPool> pool_;
  std::unique_ptr<RouteResolver> resolver_;
  int changes_ = 0;
};

TEST_F(RouteResolverTest, FollowsANameThatAppearsChangesFailsAndComesBack) {
  route_.backends = {BackendNamed("orders.internal", 8080)};
  Start();
  ASSERT_TRUE(TurnUntil([this] { return server_.udp_questions() >= 2; }));
  EXPECT_FALSE(pool_->Pick({}, {}, loop_->now(), 0)) << "no such name yet";

  server_.SetAddresses("orders.internal", {"127.0.0.1", "127.0.0.2"}, 0);
  ASSERT_TRUE(TurnUntil([this] { return changes_ == 1; }));
  EXPECT_THAT(Names(), UnorderedElementsAre("127.0.0.1:8080", "127.0.0.2:8080"));
  auto lease = pool_->Pick({}, {}, loop_->now(), 0);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease.backend(), "dns:orders.internal:8080");

  server_.SetAddresses("orders.internal", {"127.0.0.3"}, 0);
  ASSERT_TRUE(TurnUntil([this] { return changes_ == 2; }));
  EXPECT_THAT(Names(), UnorderedElementsAre("127.0.0.3:8080"));
  EXPECT_EQ(lease.name(), "127.0.0.1:8080") << "a live connection stays";

  server_.set_mode(DnsResponder::Mode::kServfail);
  const int asked = server_.udp_questions();
  ASSERT_TRUE(TurnUntil([this, asked] { return server_.udp_questions() >= asked + 6; }));
  EXPECT_THAT(Names(), UnorderedElementsAre("127.0.0.3:8080"));
  server_.SetAddresses("orders.internal", {"127.0.0.4"}, 0);
  server_.set_mode(DnsResponder::Mode::kAnswer);
  ASSERT_TRUE(TurnUntil([this] { return changes_ == 3; }));
  EXPECT_THAT(Names(), UnorderedElementsAre("127.0.0.4:8080"));
}

TEST_F(RouteResolverTest, ResolvesAServiceAndItsTargets) {
  server_.SetServices(
      "_http._tcp.orders.internal",
      {{1, 3, 8080, "a.internal"}, {1, 1, 8081, "b.internal"}, {2, 1, 9090, "spare.internal"}}, 60);
  server_.SetAddresses("a.internal", {"127.0.0.1"}, 60);
  server_.SetAddresses("b.internal", {"127.0.0.2"}, 60);
  server_.SetAddresses("spare.internal", {"127.0.0.3"}, 60);
  Backend backend;
  backend.address.kind = BackendAddress::Kind::kSrv;
  backend.address.name = "_http._tcp.orders.internal";
  route_.backends = {backend};
  Start();
  ASSERT_TRUE(TurnUntil([this] { return changes_ == 1; }));
  EXPECT_THAT(Names(), UnorderedElementsAre("127.0.0.1:8080", "127.0.0.2:8081", "127.0.0.3:9090"));
  int to_a = 0;
  for (int i = 0; i < 100; ++i) {
    const auto lease = pool_->Pick({}, {}, loop_->now(), i);
    EXPECT_NE(lease.name(), "127.0.0.3:9090");
    if (lease.name() == "127.0.0.1:8080") ++to_a;
  }
  EXPECT_EQ(to_a, 75);
}

TEST_F(RouteResolverTest, AddressesNeedNoResolver) {
  route_.backends = {testing::BackendAt("127.0.0.1:80")};
  Start();
  EXPECT_FALSE(resolver_->has_names());
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
}

TEST_F(RouteResolverTest, PlaintextStaysOnThisMachineUnlessTheRouteSaysOtherwise) {
  testing::LogCapture log;
  route_.backends = {BackendNamed("orders.internal", 8080)};
  server_.SetAddresses("orders.internal", {"127.0.0.1", "192.0.2.1", "2001:db8::1"}, 0);
  Start();
  ASSERT_TRUE(TurnUntil([this] { return changes_ == 1; }));
  EXPECT_THAT(Names(), UnorderedElementsAre("127.0.0.1:8080"));
  const auto refused = log.Events("plaintext_refused");
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0]["name"], "dns:orders.internal:8080");
  EXPECT_EQ(refused[0]["count"], 2);

  const auto questions = server_.udp_questions();
  ASSERT_TRUE(TurnUntil([&] { return server_.udp_questions() >= questions + 6; }));
  EXPECT_EQ(log.Events("plaintext_refused").size(), 1u) << "told once, not at each answer";

  route_.unsafe_backend = true;
  pool_ = testing::MakePool(route_, loop_->now());
  resolver_->Adopt(route_, pool_);
  EXPECT_EQ(Names().size(), 2u) << "one for each address family and place";
  route_.unsafe_backend = false;
  route_.tls_mode = TlsMode::kTerminateAndReencrypt;
  pool_ = testing::MakePool(route_, loop_->now());
  resolver_->Adopt(route_, pool_);
  EXPECT_EQ(Names().size(), 2u) << "what is encrypted may go anywhere";
}

TEST_F(RouteResolverTest, ANameThatIsNowhereOnThisMachineHasNoEndpoint) {
  route_.backends = {BackendNamed("orders.internal", 8080)};
  server_.SetAddresses("orders.internal", {"192.0.2.1"}, 0);
  Start();
  ASSERT_TRUE(TurnUntil([this] { return changes_ == 1; }));
  EXPECT_THAT(Names(), IsEmpty());
  server_.SetAddresses("orders.internal", {"127.0.0.9"}, 0);
  ASSERT_TRUE(TurnUntil([this] { return changes_ == 2; }));
  EXPECT_THAT(Names(), UnorderedElementsAre("127.0.0.9:8080"));
}

TEST_F(RouteResolverTest, DiesInTheMiddleOfAQuestion) {
  route_.backends = {BackendNamed("orders.internal", 8080)};
  server_.SetAddresses("orders.internal", {"127.0.0.1"}, 0);
  Start();
  resolver_.reset();
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
  for (int i = 0; i < 100; ++i) loop_->Turn(/*wait=*/false);
  EXPECT_EQ(changes_, 0);
  EXPECT_THAT(Names(), IsEmpty());
}

}  // namespace
}  // namespace tlsbridge
