#include "router/kernel/obstacles.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/kernel/build_ruleset.h"
#include "tests/router/kernel/support/net_namespace.h"
#include "tests/router/kernel/support/random_plan.h"

namespace tlsbridge::kernel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NetNamespace;
using testing::RunCommand;
using testing::SetSysctl;

class ObstaclesTest : public testing::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ours_ = std::make_unique<NetNamespace>();
    ours_->Enter();
    ASSERT_TRUE(SetSysctl("ipv4/ip_forward", "1"));
    ASSERT_TRUE(SetSysctl("ipv6/conf/all/forwarding", "1"));
  }

  // With every kind of statement.
  static Ruleset Rules() {
    Plan plan;
    Route route = {.name = "mail",
                   .backends = {{{Ip("10.7.2.11"), 9000}}, {{Ip("10.7.2.12"), 9000}, 2}}};
    route.limits = {.connections = 1, .connections_per_client = 1, .new_per_client_per_minute = 1};
    plan.routes.push_back(route);
    route.name = "hash";
    route.balance = Balance::kSourceHash;
    plan.routes.push_back(route);
    plan.listeners.push_back({{Ip("10.7.1.1"), 443}, {{std::nullopt, 0}}});
    plan.listeners.push_back({{Ip("0.0.0.0"), 444}, {{std::nullopt, 1}}});
    return BuildRuleset(plan);
  }

  static std::vector<Obstacle> Blocking(const Ruleset& rules, bool keep = false) {
    std::vector<Obstacle> obstacles = FindObstacles(rules, keep);
    std::erase_if(obstacles, [](const Obstacle& obstacle) { return !obstacle.blocks; });
    return obstacles;
  }

  std::unique_ptr<NetNamespace> ours_;
};

TEST_F(ObstaclesTest, WhereAllIsThereThereIsNoneAndNothingIsLeft) {
  const std::vector<Obstacle> obstacles = Blocking(Rules());
  for (const Obstacle& obstacle : obstacles) ADD_FAILURE() << obstacle.what;
  EXPECT_EQ(RunCommand("nft list ruleset").output, "");
}

TEST_F(ObstaclesTest, AMachineThatDoesNotForwardIsToldHowToBeMade) {
  ASSERT_TRUE(SetSysctl("ipv4/ip_forward", "0"));
  const std::vector<Obstacle> obstacles = Blocking(Rules());
  ASSERT_EQ(obstacles.size(), 1U);
  EXPECT_EQ(obstacles[0].what, "this machine does not forward IPv4");
  EXPECT_THAT(obstacles[0].remedy, HasSubstr("sysctl -w net.ipv4.ip_forward=1"));
}

TEST_F(ObstaclesTest, AStatementThatTheKernelDoesNotTakeIsNamed) {
  Ruleset rules = Rules();
  // As a kernel without the expression answers: it does not know what this is.
  rules.chains["a"].rules.push_back({UseTimeouts{"nowhere"}});
  const std::vector<Obstacle> obstacles = Blocking(rules);
  ASSERT_EQ(obstacles.size(), 1U);
  EXPECT_THAT(obstacles[0].what, HasSubstr("this kernel lacks connection timeouts"));
  EXPECT_THAT(obstacles[0].what, HasSubstr("rule of chain 'a'"));
  EXPECT_THAT(obstacles[0].remedy, HasSubstr("CONFIG_NF_CONNTRACK_TIMEOUT"));
}

TEST_F(ObstaclesTest, WithoutTheCapabilityItIsSaidHowToGetIt) {
  const Ruleset rules = Rules();
  std::vector<Obstacle> obstacles;
  // Capabilities are a thread's own.
  std::thread without([&] {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    ASSERT_EQ(syscall(SYS_capset, &header, none), 0);
    obstacles = Blocking(rules);
  });
  without.join();
  ASSERT_EQ(obstacles.size(), 1U);
  EXPECT_THAT(obstacles[0].remedy, HasSubstr("CAP_NET_ADMIN"));
}

TEST_F(ObstaclesTest, WhatIsNotCountedIsSaidAndCanBeTurnedOn) {
  ASSERT_TRUE(SetSysctl("netfilter/nf_conntrack_acct", "0"));
  const auto tells = [] {
    for (const Obstacle& obstacle : FindObstacles(Rules(), false)) {
      if (!obstacle.blocks && obstacle.what == "bytes of connections are not counted") return true;
    }
    return false;
  };
  EXPECT_TRUE(tells());
  EXPECT_TRUE(TurnAccountingOn());
  EXPECT_FALSE(tells());
}

TEST_F(ObstaclesTest, ChainsOfOthersThatDropWhatIsForwardedAreNamed) {
  EXPECT_THAT(FindForwardDrops("tlsbridge"), IsEmpty());
  ASSERT_EQ(
      RunCommand("nft 'add table ip filter; add chain ip filter FORWARD { type filter hook "
                 "forward priority 0; policy drop; }; add chain ip filter INPUT { type filter "
                 "hook input priority 0; policy drop; }; add table inet own; add chain inet "
                 "own f { type filter hook forward priority 0; policy accept; }'")
          .exit_code,
      0);
  EXPECT_THAT(FindForwardDrops("tlsbridge"), ElementsAre("chain FORWARD of table ip filter"));
}

}  // namespace
}  // namespace tlsbridge::kernel
