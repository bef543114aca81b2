// What the kernel does with connections: clients, a router and backends in namespaces.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "router/kernel/build_ruleset.h"
#include "router/kernel/kernel_table.h"
#include "tests/router/kernel/support/random_plan.h"
#include "tests/router/kernel/support/topology.h"

namespace tlsbridge::kernel {
namespace {

using testing::Topology;

class ForwardingTest : public testing::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    net_ = std::make_unique<Topology>();
    net_->ListenOnRouter("10.7.1.1", 443);
  }

  // One route for 10.7.1.1:443 and [fd07:1::1]:443 to backends of both families.
  static Plan MailPlan(int backends = Topology::kBackends) {
    Plan plan;
    plan.routes.push_back({.name = "mail"});
    for (int i = 0; i < backends; ++i) {
      for (IpBytes address : {Ip("10.7.2.0"), Ip("fd07:2::")}) {
        address[15] = static_cast<uint8_t>((address[0] == 0 ? 11 : 0x11) + i);
        plan.routes[0].backends.push_back({{address, 9000}});
      }
    }
    plan.listeners.push_back({{Ip("10.7.1.1"), 443}, {{std::nullopt, 0}}});
    plan.listeners.push_back({{Ip("fd07:1::1"), 443}, {{std::nullopt, 0}}});
    return plan;
  }

  // Of both families.
  static void Serve(Plan* plan, size_t backend, bool serving) {
    plan->routes[0].backends[2 * backend].serving = serving;
    plan->routes[0].backends[2 * backend + 1].serving = serving;
  }

  void Load(const Plan& plan) {
    net_->router.Enter();
    if (table_ == nullptr) {
      auto table = KernelTable::Create(BuildRuleset(plan), {});
      ASSERT_TRUE(table.ok()) << table.status();
      table_ = *std::move(table);
    } else {
      const absl::Status changed = table_->Apply(BuildRuleset(plan));
      ASSERT_TRUE(changed.ok()) << changed;
      ASSERT_EQ(table_->rewrites(), 0U);
    }
  }

  // Who takes so many connections, one after the other; they stay open.
  std::vector<int> TakenBy(int connections, const std::string& address = "10.7.1.1",
                           uint16_t port = 443, const std::string& from = "") {
    std::vector<int> backends;
    for (int i = 0; i < connections; ++i) {
      talks_.push_back(net_->Connect(address, port, from));
      backends.push_back(talks_.back().backend);
    }
    return backends;
  }

  // Whether bytes go both ways.
  static bool Talks(Topology::Talk* talk) {
    return talk->client.Send("ping") && talk->server.Receive() == "ping" &&
           talk->server.Send("pong") && talk->client.Receive() == "pong";
  }

  std::unique_ptr<Topology> net_;
  std::unique_ptr<KernelTable> table_;
  std::vector<Topology::Talk> talks_;
};

TEST_F(ForwardingTest, RoundRobinIsExactInBothFamilies) {
  Load(MailPlan());
  EXPECT_EQ(TakenBy(7), (std::vector<int>{0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(TakenBy(6, "fd07:1::1"), (std::vector<int>{0, 1, 2, 0, 1, 2}));
  EXPECT_TRUE(Talks(&talks_.back()));
}

TEST_F(ForwardingTest, TwoRoutesThatAlternateHaveTurnsOfTheirOwn) {
  Plan plan = MailPlan(2);
  plan.routes.push_back(plan.routes[0]);
  plan.routes[1].name = "web";
  plan.listeners.push_back({{Ip("10.7.1.1"), 80}, {{std::nullopt, 1}}});
  Load(plan);
  std::vector<int> mail;
  std::vector<int> web;
  for (int i = 0; i < 4; ++i) {
    mail.push_back(TakenBy(1, "10.7.1.1", 443)[0]);
    web.push_back(TakenBy(1, "10.7.1.1", 80)[0]);
  }
  EXPECT_EQ(mail, (std::vector<int>{0, 1, 0, 1}));
  EXPECT_EQ(web, (std::vector<int>{0, 1, 0, 1}));
}

TEST_F(ForwardingTest, WeightsAreShares) {
  Plan plan = MailPlan(2);
  plan.routes[0].backends[0].weight = 3;
  Load(plan);
  const std::vector<int> backends = TakenBy(12);
  EXPECT_EQ(std::count(backends.begin(), backends.end(), 0), 9);
  EXPECT_EQ(std::count(backends.begin(), backends.end(), 1), 3);
}

TEST_F(ForwardingTest, AClientKeepsItsBackendWhenAnotherOneGoes) {
  Plan plan = MailPlan();
  plan.routes[0].balance = Balance::kSourceHash;
  Load(plan);
  const auto of_all = [&] {
    std::vector<int> backends;
    for (int i = 2; i <= 9; ++i) {
      const std::string client = "10.7.1." + std::to_string(i);
      const std::vector<int> twice = TakenBy(2, "10.7.1.1", 443, client);
      EXPECT_EQ(twice[0], twice[1]) << client;
      backends.push_back(twice[0]);
    }
    return backends;
  };
  const std::vector<int> before = of_all();
  Serve(&plan, 1, false);
  Load(plan);
  const std::vector<int> after = of_all();
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] == 1) {
      EXPECT_NE(after[i], 1);
    } else {
      EXPECT_EQ(after[i], before[i]);
    }
  }
  EXPECT_EQ(TakenBy(1, "fd07:1::1")[0], TakenBy(1, "fd07:1::1")[0]);
}

TEST_F(ForwardingTest, DeniedClientsReachTheProgram) {
  Plan plan = MailPlan(1);
  plan.routes[0].deny = {*Cidr::Parse("10.7.1.4/31")};
  Load(plan);
  EXPECT_EQ(TakenBy(1, "10.7.1.1", 443, "10.7.1.3")[0], 0);
  EXPECT_EQ(TakenBy(1, "10.7.1.1", 443, "10.7.1.4")[0], Topology::kProgram);
  EXPECT_EQ(TakenBy(1, "10.7.1.1", 443, "10.7.1.5")[0], Topology::kProgram);
  EXPECT_EQ(TakenBy(1, "10.7.1.1", 443, "10.7.1.6")[0], 0);
}

TEST_F(ForwardingTest, RoutesOfOnePortAreChosenByClientAndTheRestIsTheProgramsOwn) {
  Plan plan = MailPlan(1);
  plan.routes.push_back({.name = "web", .backends = {{{Ip("10.7.2.12"), 9000}}}});
  plan.listeners[0].claims = {{*Cidr::Parse("10.7.1.2"), 1}, {*Cidr::Parse("10.7.1.0/30"), 0}};
  Load(plan);
  EXPECT_EQ(TakenBy(1, "10.7.1.1", 443, "10.7.1.2")[0], 1);
  EXPECT_EQ(TakenBy(1, "10.7.1.1", 443, "10.7.1.3")[0], 0);
  EXPECT_EQ(TakenBy(1, "10.7.1.1", 443, "10.7.1.4")[0], Topology::kProgram);
}

TEST_F(ForwardingTest, WhenNoBackendServesClientsReachTheProgram) {
  for (const int backends : {1, 2}) {
    Plan plan = MailPlan(backends);
    Load(plan);
    EXPECT_GE(TakenBy(1)[0], 0);
    for (int i = 0; i < backends; ++i) Serve(&plan, static_cast<size_t>(i), false);
    Load(plan);
    EXPECT_EQ(TakenBy(1)[0], Topology::kProgram);
    Serve(&plan, 0, true);
    Load(plan);
    EXPECT_EQ(TakenBy(1)[0], 0);
  }
}

TEST_F(ForwardingTest, BackendsSeeTheRouterOrTheClientAsTheRouteSays) {
  Plan plan = MailPlan(1);
  Load(plan);
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).server.PeerAddress(), "10.7.2.1");
  EXPECT_EQ(net_->Connect("fd07:1::1", 443).server.PeerAddress(), "fd07:2::1");
  plan.routes[0].masquerade = false;
  Load(plan);
  net_->RouteBackToClients();
  EXPECT_EQ(net_->Connect("10.7.1.1", 443, "10.7.1.5").server.PeerAddress(), "10.7.1.5");
  EXPECT_EQ(net_->Connect("fd07:1::1", 443).server.PeerAddress(), "fd07:1::2");
}

TEST_F(ForwardingTest, SomeClientsOfARouteAreMasqueradedToo) {
  Plan plan = MailPlan(1);
  plan.listeners[0].claims[0].clients = *Cidr::Parse("10.7.1.0/28");
  Load(plan);
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).server.PeerAddress(), "10.7.2.1");
}

TEST_F(ForwardingTest, AListenerOnEveryAddressServesThisMachineOnly) {
  Plan plan = MailPlan(1);
  plan.listeners = {{{Ip("0.0.0.0"), 443}, {{std::nullopt, 0}}},
                    {{Ip("::"), 443}, {{std::nullopt, 0}}}};
  Load(plan);
  EXPECT_EQ(TakenBy(1, "10.7.1.1")[0], 0);
  EXPECT_EQ(TakenBy(1, "10.7.2.1")[0], 0);
  EXPECT_EQ(TakenBy(1, "fd07:1::1")[0], 0);
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).server.PeerAddress(), "10.7.2.1");
  // Nobody listens there, and it is not ours to forward.
  net_->RouteBackToClients();
  EXPECT_FALSE(net_->Dial("10.7.2.12", 443).ok());
}

TEST_F(ForwardingTest, OverTheLimitOfConnectionsClientsReachTheProgram) {
  Plan plan = MailPlan(2);
  plan.routes[0].limits.connections = 2;
  Load(plan);
  EXPECT_EQ(TakenBy(3), (std::vector<int>{0, 1, Topology::kProgram}));
  // Health changes the chain of backends, and leaves what was counted.
  Serve(&plan, 1, false);
  Load(plan);
  EXPECT_EQ(TakenBy(1)[0], Topology::kProgram);
  // Those that the program has count, too, until it has refused them.
  for (const size_t talk : {0, 2, 3}) {
    talks_[talk].client.Reset();
    EXPECT_EQ(talks_[talk].server.Receive(), "error");
  }
  // The kernel notices at its next tick.
  int backend = Topology::kProgram;
  for (int i = 0; i < 1000 && backend == Topology::kProgram; ++i) {
    Topology::Talk talk = net_->Connect("10.7.1.1", 443);
    backend = talk.backend;
    talk.client.Reset();
    talk.server.Receive();
  }
  EXPECT_EQ(backend, 0);
}

TEST_F(ForwardingTest, OverTheLimitOfOneClientThatClientAloneReachesTheProgram) {
  Plan plan = MailPlan(1);
  plan.routes[0].limits.connections_per_client = 2;
  Load(plan);
  EXPECT_EQ(TakenBy(3, "10.7.1.1", 443, "10.7.1.2"), (std::vector<int>{0, 0, Topology::kProgram}));
  EXPECT_EQ(TakenBy(1, "10.7.1.1", 443, "10.7.1.3")[0], 0);
  net_->ListenOnRouter("fd07:1::1", 443);
  EXPECT_EQ(TakenBy(3, "fd07:1::1"), (std::vector<int>{0, 0, Topology::kProgram}));
}

TEST_F(ForwardingTest, OverTheRateOfOneClientThatClientAloneReachesTheProgram) {
  Plan plan = MailPlan(1);
  plan.routes[0].limits.new_per_client_per_minute = 3;
  Load(plan);
  EXPECT_EQ(TakenBy(4, "10.7.1.1", 443, "10.7.1.2"),
            (std::vector<int>{0, 0, 0, Topology::kProgram}));
  EXPECT_EQ(TakenBy(1, "10.7.1.1", 443, "10.7.1.3")[0], 0);
}

TEST_F(ForwardingTest, APacketThatIsInvalidEndsNoConnection) {
  const Plan plan = MailPlan(1);
  Load(plan);
  Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  ASSERT_TRUE(Talks(&talk));
  net_->SendInvalidPacket(talk.client);
  EXPECT_TRUE(Talks(&talk));

  // Without the guard it does: the packet reaches our own stack, which knows of no such connection.
  Ruleset unguarded = BuildRuleset(plan);
  unguarded.chains["guard"].rules.clear();
  ASSERT_TRUE(table_->Apply(unguarded).ok());
  net_->SendInvalidPacket(talk.client);
  EXPECT_FALSE(Talks(&talk));
}

TEST_F(ForwardingTest, OpenConnectionsLiveThroughEveryChange) {
  Plan plan = MailPlan();
  Load(plan);
  Topology::Talk first = net_->Connect("10.7.1.1", 443);
  ASSERT_TRUE(Talks(&first));
  Serve(&plan, 0, false);  // its own backend
  Load(plan);
  EXPECT_TRUE(Talks(&first));
  Plan none = plan;
  none.routes.clear();
  none.listeners.clear();
  Load(none);
  EXPECT_TRUE(Talks(&first));
  EXPECT_EQ(TakenBy(1)[0], Topology::kProgram);
  Load(plan);
  EXPECT_TRUE(Talks(&first));
}

}  // namespace
}  // namespace tlsbridge::kernel
