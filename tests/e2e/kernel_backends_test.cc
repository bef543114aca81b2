// The kernel goes by the backends as they are: checks, ejection, and what keeps it from reaching
// them.

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/support/kernel_test.h"
#include "tests/e2e/support/peer_program.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;

class KernelBackendsTest : public KernelTest {
 protected:
  // Until clients of two backends, of which one refuses, reach the other one alone.
  void AwaitEjection() {
    ASSERT_TRUE(tlsbridge().WaitForEvent("backend_ejected"));
    const Deadline deadline(kPatience);
    while (deadline.PollTimeoutMilliseconds() > 0) {
      const std::vector<std::string> two = ServedBy(2);
      if (two[0] == two[1]) return;
    }
  }
};

TEST_F(KernelBackendsTest, WhileConnectionsRunABackendThatIsSickGetsNoneAndNoneIsRefused) {
  Serve(11);
  Server& sick = Serve(12);
  ASSERT_NO_FATAL_FAILURE(Start(Config(
      {11, 12},
      {"health_check: {kind: send-expect, send: \"check\\n\", expect: check, interval: 100ms, "
       "unhealthy_after: 1, healthy_after: 1}"})));
  std::atomic<bool> stop = false;
  std::atomic<int> served = 0;
  std::atomic<int> refused = 0;
  std::thread clients([&] {
    net().client.Enter();
    // Some two hundred a second.
    while (!stop) {
      auto socket = Socket::Connect(kListener);
      const bool ok = socket.ok() && socket->Write("who\n").ok() && socket->ReadUntil("\n").ok();
      ++(ok ? served : refused);
      poll(nullptr, 0, 5);
    }
  });
  const auto await = [&](int more) {
    const int until = served + more;
    const Deadline deadline(kPatience);
    while (served < until && deadline.PollTimeoutMilliseconds() > 0) poll(nullptr, 0, 1);
  };
  await(50);
  sick.sick = true;
  const auto unhealthy = tlsbridge().WaitForEvent("backend_unhealthy");
  await(50);
  const std::vector<std::string> without = ServedBy(6);
  sick.sick = false;
  const auto healthy = tlsbridge().WaitForEvent("backend_healthy");
  await(50);
  const std::vector<std::string> with = ServedBy(6);
  stop = true;
  clients.join();
  EXPECT_TRUE(unhealthy && healthy);
  EXPECT_EQ(refused, 0);
  EXPECT_GE(served, 150);
  EXPECT_THAT(without, Each("11"));
  EXPECT_THAT(with, Contains("12"));
}

TEST_F(KernelBackendsTest, ABackendThatRefusesFlowsIsEjected) {
  Serve(11);
  ASSERT_NO_FATAL_FAILURE(
      Start(Config({11, 12}, {"ejection: {after_failures: 2, first: 60s, keep_fraction: 0}"})));
  for (int i = 0; i < 4; ++i) (void)Dial();
  const auto ejected = tlsbridge().WaitForEvent("backend_ejected");
  ASSERT_TRUE(ejected);
  EXPECT_EQ((*ejected)["backend"], "10.7.2.12:9001");
  EXPECT_EQ((*ejected)["errno"], "ECONNREFUSED");
  EXPECT_EQ(EndFor("econnrefused").value("backend", ""), "10.7.2.12:9001");
  ASSERT_NO_FATAL_FAILURE(AwaitEjection());
  EXPECT_THAT(ServedBy(6), Each("11"));
}

TEST_F(KernelBackendsTest, WhenItsTimeIsOverAnEjectedBackendIsBack) {
  Serve(11);
  ASSERT_NO_FATAL_FAILURE(Start(Config(
      {11, 12}, {"ejection: {after_failures: 1, first: 1s, longest: 1s, keep_fraction: 0}"})));
  for (int i = 0; i < 2; ++i) (void)Dial();
  ASSERT_NO_FATAL_FAILURE(AwaitEjection());
  Serve(12);
  EXPECT_THAT(ServedBy(2), Each("11"));
  const Deadline deadline(kPatience);
  while (Open().backend != "12" && deadline.PollTimeoutMilliseconds() > 0) poll(nullptr, 0, 10);
  EXPECT_TRUE(tlsbridge().WaitForEvent("backend_restored"));
}

TEST_F(KernelBackendsTest, WhenANameMeansAnotherAddressNewClientsGoThere) {
  constexpr char kNameServer[] = "127.0.0.1:5301";
  Serve(11);
  Serve(12);
  net().router.Enter();
  const auto write_hosts = [this](const std::string& address) {
    dir().WriteFile("hosts", address + " mail.internal\n");
  };
  write_hosts("10.7.2.11");
  const auto names = StartPeer(
      {"/usr/sbin/dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
       "--local=/internal/", "--user=root", "--pid-file=", "--bind-interfaces", "--local-ttl=1",
       absl::StrCat("--addn-hosts=", dir().PathOf("hosts")), "--listen-address=127.0.0.1",
       "--port=5301"},
      kNameServer);
  ASSERT_NE(names, nullptr);
  std::string yaml =
      Config({11}, {absl::StrCat("dns: {ttl_floor: 100ms, servers: ['", kNameServer, "']}")});
  yaml.replace(yaml.find("10.7.2.11:9001"), 14, "dns:mail.internal:9001");
  ASSERT_NO_FATAL_FAILURE(Start(yaml));
  // The kernel knows within 50 ms; the rest is for a machine that is busy.
  const auto served_by = [this](const std::string& backend) {
    const Deadline deadline(absl::Milliseconds(500));
    Talk talk = Open();
    while (talk.backend != backend && deadline.PollTimeoutMilliseconds() > 0) talk = Open();
    EXPECT_EQ(talk.backend, backend);
    return talk;
  };
  ASSERT_TRUE(tlsbridge().WaitForEvent("backends_resolved"));
  Talk talk = served_by("11");
  write_hosts("10.7.2.12");
  names->SendSignal(SIGHUP);
  ASSERT_TRUE(tlsbridge().WaitForEvent("backends_resolved",
                                       [](const auto& event) { return event["before"] == 1; }));
  EXPECT_EQ(served_by("12").backend, "12");
  EXPECT_THAT(ServedBy(4), Each("12"));
  EXPECT_TRUE(talk.Talks());
}

TEST_F(KernelBackendsTest, ABackendThatNeverAnswersIsNamed) {
  ASSERT_NO_FATAL_FAILURE(
      Start(Config({11}, {"timeouts: {connect: 1s}", "ejection: {after_failures: 0}"})));
  ASSERT_EQ(OnRouter("true").exit_code, 0);
  net().backend.Enter();
  ASSERT_EQ(
      testing::RunCommand("nft 'add table inet silent; add chain inet silent in { type "
                          "filter hook input priority 0; }; add rule inet silent in tcp dport "
                          "9001 drop'")
          .exit_code,
      0);
  net().router.Enter();
  std::vector<testing::Socket> dialled;
  for (int i = 0; i < 3; ++i) dialled.push_back(net().BeginToDial("10.7.1.1", 443));
  EXPECT_FALSE(EndFor("connect_timeout").empty());
  const auto named = tlsbridge().WaitForEvent("kernel_no_answer");
  ASSERT_TRUE(named);
  EXPECT_EQ((*named)["backend"], "10.7.2.11:9001");
}

TEST_F(KernelBackendsTest, AForeignChainThatDropsWhatIsForwardedIsNamedInTime) {
  Serve(11);
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  ASSERT_EQ(OnRouter("nft 'add table ip filter; add chain ip filter FORWARD { type filter hook "
                     "forward priority 0; policy drop; }'")
                .exit_code,
            0);
  std::vector<testing::Socket> dialled;
  for (int i = 0; i < 3; ++i) dialled.push_back(net().BeginToDial("10.7.1.1", 443));
  const auto blocked = tlsbridge().WaitForEvent(
      "kernel_forward_blocked", [](const auto&) { return true; }, absl::Seconds(10));
  ASSERT_TRUE(blocked) << tlsbridge().Output();
  EXPECT_THAT((*blocked)["by"], HasSubstr("chain FORWARD of table ip filter"));
  EXPECT_EQ((*blocked)["port"], 443);
}

TEST_F(KernelBackendsTest, AMachineThatHasStoppedForwardingIsNamedInTime) {
  Serve(11);
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  ASSERT_EQ(OnRouter("echo 0 > /proc/sys/net/ipv4/ip_forward").exit_code, 0);
  std::vector<testing::Socket> dialled;
  for (int i = 0; i < 3; ++i) dialled.push_back(net().BeginToDial("10.7.1.1", 443));
  const auto blocked = tlsbridge().WaitForEvent(
      "kernel_forward_blocked", [](const auto&) { return true; }, absl::Seconds(10));
  ASSERT_TRUE(blocked) << tlsbridge().Output();
  EXPECT_THAT((*blocked)["by"], HasSubstr("sysctl -w net.ipv4.ip_forward=1"));
}

}  // namespace
}  // namespace tlsbridge::e2e
