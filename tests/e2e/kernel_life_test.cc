// What becomes of flows when the program reads its configuration again, when it is told to stop,
// and when it is killed.

#include <signal.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/support/kernel_test.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPatient[] = "shutdown: {drain_timeout: 10s}";
constexpr char kHasty[] = "shutdown: {drain_timeout: 300ms}";

class KernelLifeTest : public KernelTestWithServers {
 protected:
  // The same listener, and another route that the program itself forwards.
  static std::string WithoutKernel(const std::string& name, const std::string& top) {
    return std::string("listeners: [{address: '10.7.1.1:443'}]\nroutes:\n- name: ") + name +
           "\n  tls: {mode: passthrough}\n  backends: [{address: '10.7.2.11:9001'}]\n" + top + "\n";
  }
};

TEST_F(KernelLifeTest, AFlowLivesThroughAReloadThatSendsNewOnesElsewhere) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  Talk talk = Open();
  ASSERT_EQ(talk.backend, "11");
  EXPECT_EQ(ReloadWith(Config({12}))["event"], "reloaded");
  EXPECT_THAT(ServedBy(3), Each("12"));
  EXPECT_TRUE(talk.Talks());
  talk.socket->Close();
  ASSERT_TRUE(tlsbridge().WaitForEvent(
      "connection_end", [](const auto& end) { return end["backend"] == "10.7.2.11:9001"; }));
}

TEST_F(KernelLifeTest, ARouteThatIsTakenAwayEndsItsFlowsWhenTheTimeToDrainIsOver) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11}, {}, {kHasty})));
  Talk talk = Open();
  ASSERT_TRUE(talk.Talks());
  EXPECT_EQ(ReloadWith(WithoutKernel("web", kHasty))["event"], "reloaded");
  EXPECT_TRUE(talk.Talks());
  EXPECT_EQ(EndFor("route_removed").value("engine", ""), "nftables");
  EXPECT_FALSE(talk.Talks());
}

TEST_F(KernelLifeTest, TheFirstRouteOfTheKernelsStartsTheEngineAndTheLastOneEndsIt) {
  ASSERT_NO_FATAL_FAILURE(Start(WithoutKernel("mail", "")));
  EXPECT_THAT(OnRouter("nft list tables").output, Not(HasSubstr("tlsbridge")));
  EXPECT_EQ(ReloadWith(Config({12}))["event"], "reloaded");
  EXPECT_THAT(OnRouter("nft list tables").output, HasSubstr("tlsbridge"));
  Talk talk = Open();
  ASSERT_EQ(talk.backend, "12");
  // The route is still there: its flow goes on, and holds the table.
  EXPECT_EQ(ReloadWith(WithoutKernel("mail", ""))["event"], "reloaded");
  EXPECT_TRUE(talk.Talks());
  talk.socket->Close();
  ASSERT_FALSE(EndFor("closed_incoming").empty());
  tlsbridge().Dump();  // which comes behind it
  EXPECT_THAT(OnRouter("nft list tables").output, Not(HasSubstr("tlsbridge")));
}

TEST_F(KernelLifeTest, ATableThatIsToBeKeptGoesWithItsLastRoute) {
  constexpr char kKeep[] = "kernel: {on_exit: keep}";
  ASSERT_NO_FATAL_FAILURE(Start(Config({11}, {}, {kKeep})));
  EXPECT_EQ(ReloadWith(WithoutKernel("mail", ""))["event"], "reloaded");
  tlsbridge().Dump();  // which comes behind it
  EXPECT_EQ(OnRouter("nft list tables").output, "");
}

TEST_F(KernelLifeTest, AReloadThatTheKernelCannotServeChangesNothing) {
  ASSERT_NO_FATAL_FAILURE(Start(WithoutKernel("mail", "")));
  ASSERT_EQ(OnRouter("echo 0 > /proc/sys/net/ipv4/ip_forward").exit_code, 0);
  const nlohmann::json refused = ReloadWith(Config({12}));
  EXPECT_EQ(refused["event"], "reload_refused");
  EXPECT_THAT(refused["message"], HasSubstr("net.ipv4.ip_forward=1"));
}

TEST_F(KernelLifeTest, ToldToStopItTakesNobodyAndWaitsForItsFlows) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11}, {}, {kPatient})));
  Talk talk = Open();
  ASSERT_EQ(talk.backend, "11");
  tlsbridge().process().SendSignal(SIGTERM);
  ASSERT_TRUE(tlsbridge().WaitForEvent("draining"));
  EXPECT_FALSE(Dial().ok());
  EXPECT_TRUE(talk.Talks());
  talk.socket->Close();
  EXPECT_EQ(tlsbridge().process().WaitForExit(absl::Seconds(8)), 0) << "it does not wait longer";
  EXPECT_EQ(EndFor("closed_incoming").value("engine", ""), "nftables");
}

TEST_F(KernelLifeTest, WhenTheTimeToDrainIsOverFlowsAreCut) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11}, {}, {kHasty})));
  Talk talk = Open();
  ASSERT_EQ(talk.backend, "11");
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(EndFor("shutdown").value("engine", ""), "nftables");
  EXPECT_FALSE(talk.Talks());
}

TEST_F(KernelLifeTest, ToldTwiceItDoesNotWait) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11}, {}, {"shutdown: {drain_timeout: 10m}"})));
  Talk talk = Open();
  ASSERT_EQ(talk.backend, "11");
  tlsbridge().process().SendSignal(SIGTERM);
  ASSERT_TRUE(tlsbridge().WaitForEvent("draining"));
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(EndFor("shutdown").value("engine", ""), "nftables");
}

TEST_F(KernelLifeTest, KilledItLeavesNothing) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  Talk talk = Open();
  ASSERT_TRUE(talk.Talks());
  tlsbridge().process().SendSignal(SIGKILL);
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 128 + SIGKILL);
  EXPECT_EQ(OnRouter("nft list tables").output, "");
  EXPECT_FALSE(talk.Talks());
  ForgetTlsbridge();
}

TEST_F(KernelLifeTest, ATableThatIsKeptForwardsOnAndTheNextProcessTakesItOver) {
  const std::string yaml = Config({11}, {}, {"kernel: {on_exit: keep}"});
  ASSERT_NO_FATAL_FAILURE(Start(yaml));
  Talk talk = Open();
  ASSERT_TRUE(talk.Talks());
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_TRUE(tlsbridge().WaitForEvent("kernel_table_kept"));
  EXPECT_TRUE(talk.Talks());
  EXPECT_THAT(ServedBy(1), ElementsAre("11"));
  ASSERT_NO_FATAL_FAILURE(Start(yaml));
  EXPECT_TRUE(talk.Talks());
  talk.socket->Close();
  EXPECT_EQ(EndFor("closed_incoming").value("engine", ""), "nftables");
}

}  // namespace
}  // namespace tlsbridge::e2e
