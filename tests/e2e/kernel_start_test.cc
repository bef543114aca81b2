// What the program does where the kernel can forward for it, where it cannot, and where another one
// has its table.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/support/kernel_test.h"
#include "tests/e2e/support/run_program.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class KernelStartTest : public KernelTestWithServers {
 protected:
  // Of a program that does not start.
  ProgramResult Refusal(const std::string& yaml) {
    net().router.Enter();
    return RunProgram({"run", "--config", WriteConfig(yaml)});
  }
};

TEST_F(KernelStartTest, TheKernelForwardsByTurnsAndTheTableIsTheProcesss) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11, 12})));
  EXPECT_THAT(ServedBy(4), ElementsAre("11", "12", "11", "12"));
  const auto started = tlsbridge().WaitForEvent("kernel_forwarding");
  ASSERT_TRUE(started);
  EXPECT_EQ((*started)["table"], "tlsbridge");
  EXPECT_EQ((*started)["routes"], 1);
  const auto table = OnRouter("nft list ruleset");
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_THAT(table.output, HasSubstr("table inet tlsbridge { # progname tlsbridge"));
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_THAT(OnRouter("nft list tables").output, Not(HasSubstr("tlsbridge")));
}

TEST_F(KernelStartTest, WhereBytesCannotBeCountedItSaysSoAndForwards) {
  ASSERT_EQ(OnRouter("cat /proc/sys/net/netfilter/nf_conntrack_acct").output, "0\n");
  TlsbridgeOptions options = OptionsFor(Config({11}));
  options.wrapper = {"unshare",
                     "--mount",
                     "sh",
                     "-c",
                     "mount --bind /proc/sys /proc/sys && "
                     "mount -o remount,bind,ro /proc/sys && exec \"$@\"",
                     "sh"};
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(options));
  const auto told = tlsbridge().WaitForEvent("kernel_accounting_off");
  ASSERT_TRUE(told);
  EXPECT_THAT((*told)["message"], HasSubstr("sysctl -w net.netfilter.nf_conntrack_acct=1"));
  EXPECT_THAT(ServedBy(1), ElementsAre("11"));
  const nlohmann::json end = EndFor("closed_incoming");
  EXPECT_EQ(end.value("engine", ""), "nftables");
  EXPECT_FALSE(end.contains("ip_bytes_received")) << end;
}

TEST_F(KernelStartTest, WhereBytesCanBeCountedItTurnsThatOn) {
  ASSERT_EQ(OnRouter("cat /proc/sys/net/netfilter/nf_conntrack_acct").output, "0\n");
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  EXPECT_EQ(OnRouter("cat /proc/sys/net/netfilter/nf_conntrack_acct").output, "1\n");
  EXPECT_TRUE(tlsbridge().Events("kernel_accounting_off").empty());
}

TEST_F(KernelStartTest, AStaleTableIsTakenOver) {
  ASSERT_EQ(OnRouter("nft 'add table inet tlsbridge; add chain inet tlsbridge old'").exit_code, 0);
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  EXPECT_THAT(ServedBy(1), ElementsAre("11"));
  EXPECT_THAT(OnRouter("nft list table inet tlsbridge").output, Not(HasSubstr("chain old")));
}

TEST_F(KernelStartTest, TwoProcessesNeedTwoTables) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  std::string other = Config({12});
  other.replace(other.find(":443"), 4, ":444");
  const ProgramResult refused = Refusal(other);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors, AllOf(HasSubstr("table 'tlsbridge' belongs to a running process"),
                                    HasSubstr("give this one another table")));
  net().router.Enter();
  auto second = Tlsbridge::Start(OptionsFor(other + "kernel: {table: tlsbridge-second}\n"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(Open("10.7.1.2", "10.7.1.1:444").backend, "12");
  EXPECT_THAT(ServedBy(1), ElementsAre("11"));
  EXPECT_TRUE((*second)->WaitForEvent("connection_end"));
  EXPECT_EQ((*second)->Stop(), 0);
  EXPECT_THAT(ServedBy(1), ElementsAre("11"));
}

TEST_F(KernelStartTest, AMachineThatDoesNotForwardIsToldHowTo) {
  ASSERT_EQ(OnRouter("echo 0 > /proc/sys/net/ipv4/ip_forward").exit_code, 0);
  const ProgramResult refused = Refusal(Config({11}));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors, AllOf(HasSubstr("this machine does not forward IPv4"),
                                    HasSubstr("sysctl -w net.ipv4.ip_forward=1")));
}

TEST_F(KernelStartTest, WithoutTheCapabilityItSaysWhichItNeeds) {
  net().router.Enter();
  auto process = Process::Start(
      {.argv = {"setpriv", "--bounding-set=-net_admin", std::getenv("TLSBRIDGE_BINARY"), "run",
                "--config", WriteConfig(Config({11}))}});
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->WaitForExit(), 2);
  EXPECT_THAT((*process)->StderrText(), HasSubstr("CAP_NET_ADMIN"));
}

TEST_F(KernelStartTest, WithoutTheCapabilityTheProgramForwardsIfItMay) {
  TlsbridgeOptions options =
      OptionsFor(Config({11}, {"kernel: {missed: refuse}"}, {"kernel: {unavailable: proxy}"}));
  options.wrapper = {"setpriv", "--bounding-set=-net_admin"};
  net().router.Enter();
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(options));
  EXPECT_EQ(tlsbridge().Events("kernel_unavailable").size(), 1u);
  auto client = Dial();
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write(ClientHello() + "\n").ok());
  EXPECT_TRUE(client->ReadUntil("\n").ok());
  client->Close();
  const auto ends = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_FALSE(ends[0].contains("engine"));
  EXPECT_EQ(ends[0]["route"], "mail");
}

}  // namespace
}  // namespace tlsbridge::e2e
