// The kernel's table goes to a new process in the old one's place: it is there at every moment,
// flows go on and are recorded once, and one that fails leaves the old one as it was.

#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/support/handover_fixture.h"
#include "tests/e2e/support/kernel_test.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

class KernelHandover : public HandingOver<KernelTestWithServers> {
 protected:
  void Start(const std::string& yaml) {
    ASSERT_NO_FATAL_FAILURE(KernelTestWithServers::Start(yaml));
    IsStarted();
  }
  // Its file is what the next process reads.
  static std::string WithoutKernel() {
    return "listeners: [{address: '10.7.1.1:443'}]\nroutes:\n- name: other\n"
           "  tls: {mode: passthrough}\n  backends: [{address: '10.7.2.11:9001'}]\n"
           "shutdown: {drain_timeout: 300ms}\n";
  }
  bool HasTable() { return OnRouter("nft list table inet tlsbridge").exit_code == 0; }
};

TEST_F(KernelHandover, UnderConnectionsNobodyIsRefusedOrCutAndEachIsRecordedOnce) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11, 12})));
  Talk first = Open();
  ASSERT_TRUE(first.Talks());
  std::atomic<bool> over = false;
  std::atomic<int> served = 0;
  std::atomic<int> failed = 0;
  std::thread load([&] {
    while (!over) {
      Talk talk = Open();
      const bool good = talk.backend != "error" && talk.Talks();
      ++(good ? served : failed);
    }
  });
  constexpr int kHandovers = 5;
  for (int i = 0; i < kHandovers; ++i) EXPECT_EQ(HandOver(), i + 2) << tlsbridge().Output();
  over = true;
  load.join();
  EXPECT_EQ(failed, 0);
  EXPECT_GT(served, kHandovers);
  EXPECT_TRUE(first.Talks());
  first.socket->Close();

  const auto ends = tlsbridge().WaitForConnections(static_cast<size_t>(served) + 1);
  std::map<std::string, int> times;
  for (const auto& end : ends) {
    ++times[end["peer"]];
    EXPECT_EQ(end.value("engine", ""), "nftables") << end;
    EXPECT_EQ(end["reason"], "closed_incoming") << end;
    EXPECT_GT(end.value("ip_bytes_received", 0), 100) << end;
  }
  for (const auto& [peer, count] : times) EXPECT_EQ(count, 1) << peer;
  EXPECT_EQ(times.size(), static_cast<size_t>(served) + 1);
}

TEST_F(KernelHandover, TheOneBeforeHasGivenUpTheTable) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  // A client of this machine, whom the kernel does not take: the first process stays for it.
  auto stays = Socket::Connect(kListener);
  ASSERT_TRUE(stays.ok());
  ASSERT_GT(HandOver(), 0) << tlsbridge().Output();
  EXPECT_TRUE(HasTable());
  kill(serving_, SIGKILL);
  for (int i = 0; i < 100 && HasTable(); ++i) {
  }
  EXPECT_FALSE(HasTable());
  EXPECT_EQ(kill(tlsbridge().process().pid(), 0), 0) << "it is there still";
  stays->Close();
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
  EXPECT_EQ(waitpid(serving_, nullptr, 0), serving_) << "it has become ours";
  serving_ = 0;
}

TEST_F(KernelHandover, OneThatNoLongerWantsTheRouteEndsItsFlowsWhenTheTimeToDrainIsOver) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  Talk talk = Open();
  ASSERT_TRUE(talk.Talks());
  WriteConfig(WithoutKernel());
  ASSERT_GT(HandOver(), 0) << tlsbridge().Output();
  const auto ended = EndFor("route_removed");
  EXPECT_EQ(ended.value("engine", ""), "nftables");
  EXPECT_EQ(ended.value("route", ""), "mail");
  EXPECT_FALSE(talk.Talks());
  for (int i = 0; i < 100 && HasTable(); ++i) {
  }
  EXPECT_FALSE(HasTable());
}

TEST_F(KernelHandover, OneThatIsTheFirstToWantTheKernelDoesNotTakeClientsBeforeItServes) {
  ASSERT_NO_FATAL_FAILURE(Start(WithoutKernel()));
  EXPECT_FALSE(HasTable());
  WriteConfig(Config({12}));
  ASSERT_GT(HandOver(), 0) << tlsbridge().Output();
  EXPECT_TRUE(HasTable());
  EXPECT_THAT(ServedBy(2), Each("12"));
}

// It has all that it needs to take the table over, deletes it, and dies.
constexpr char kVandal[] = R"(#!/usr/bin/python3
import os, socket, struct
s = socket.socket(fileno=int(os.environ['TLSBRIDGE_HANDOVER']))
s.setblocking(True)
s.recv(65536)
_, fds, _, _ = socket.recv_fds(s, 65536, 253)
s.send(b'TLSH\0\1\5\1')
while s.recv(65536)[6] != 3: pass
def message(kind, flags, family, resource, attributes=b''):
    body = struct.pack('>BBH', family, 0, resource) + attributes
    return struct.pack('=IHHII', 16 + len(body), kind, flags, 1, 0) + body
name = b'tlsbridge\0'
delete = struct.pack('=HH', 4 + len(name), 1) + name + b'\0' * (-len(name) % 4)
netfilter = socket.socket(fileno=fds[-2])
netfilter.send(message(0x10, 1, 0, 10) + message(10 << 8 | 2, 1, 1, 0, delete)
               + message(0x11, 5, 0, 10))
answer = netfilter.recv(65536)
print('{"event":"vandal","error":%d}' % struct.unpack_from('=i', answer, 16), flush=True, file=
      __import__('sys').stderr)
)";

TEST_F(KernelHandover, OneThatFailsLeavesTheTableToTheOldOneWhateverItDidToIt) {
  ExpectOtherLog();
  ReplaceableProgram program(dir().PathOf("tlsbridge"));
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  Talk talk = Open();
  ASSERT_EQ(talk.backend, "11");
  ASSERT_NO_FATAL_FAILURE(program.Replace(kVandal));
  kill(serving_, SIGUSR2);
  const auto refused = tlsbridge().WaitForEvent("restart_refused");
  ASSERT_TRUE(refused.has_value()) << tlsbridge().Output();
  EXPECT_THAT((*refused)["message"].get<std::string>(), HasSubstr("the new process exited"));
  const auto vandal = tlsbridge().WaitForEvent("vandal");
  ASSERT_TRUE(vandal.has_value());
  EXPECT_EQ((*vandal)["error"], 0) << "it could";
  EXPECT_TRUE(HasTable());
  EXPECT_THAT(ServedBy(2), Each("11"));
  EXPECT_TRUE(talk.Talks());
  ASSERT_NO_FATAL_FAILURE(program.Copy());
  ASSERT_GT(HandOver(), 0) << tlsbridge().Output();
  EXPECT_TRUE(talk.Talks());
  talk.socket->Close();
  EXPECT_FALSE(EndFor("closed_incoming").empty());
}

TEST_F(KernelHandover, OneThatCannotServeIsRefusedAndFlowsGoOn) {
  ASSERT_NO_FATAL_FAILURE(Start(Config({11})));
  Talk talk = Open();
  WriteConfig(Config({11}, {"timeouts: {inactivity: -1s}"}));
  kill(serving_, SIGUSR2);
  EXPECT_TRUE(tlsbridge().WaitForEvent("restart_refused").has_value());
  EXPECT_TRUE(talk.Talks());
  EXPECT_THAT(ServedBy(1), Each("11"));
}

}  // namespace
}  // namespace tlsbridge::e2e
