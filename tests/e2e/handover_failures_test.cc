// Successors that fail, each in its own way: who serves goes on, says why, and can still hand over.

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/support/handover_fixture.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

constexpr char kSilent[] = "#!/bin/sh\nexec sleep 1000\n";

// The program that runs is a copy, which is then replaced.
class HandoverFailures : public HandoverFixture {
 protected:
  void Copy() { program_.Copy(); }
  void Replace(const char* script) { program_.Replace(script); }
  // By the original, whatever lies in its place.
  ProgramResult Ask(const std::vector<std::string>& command) {
    setenv("TLSBRIDGE_BINARY", program_.original().c_str(), 1);
    ProgramResult said = HandoverFixture::Ask(command);
    setenv("TLSBRIDGE_BINARY", program_.path().c_str(), 1);
    return said;
  }
  std::string Refusal() {
    const auto refused = tlsbridge().WaitForEvent("restart_refused");
    return refused ? (*refused)["message"].get<std::string>() : "none: " + tlsbridge().Output();
  }

  ReplaceableProgram program_{dir().PathOf("tlsbridge")};
};

struct Bad {
  const char* name;
  const char* script;
  const char* reason;
};

class BadProgram : public HandoverFailures, public testing::WithParamInterface<Bad> {};

INSTANTIATE_TEST_SUITE_P(
    , BadProgram,
    testing::Values(Bad{"Missing", nullptr, "No such file or directory"},
                    Bad{"Exits", "#!/bin/sh\nexit 7\n", "it ended with exit code 7"},
                    Bad{"Crashes", "#!/bin/sh\nkill -SEGV $$\n", "it was killed by SIGSEGV"},
                    Bad{"Silent", kSilent, "was not ready within 1s"},
                    Bad{"OtherVersion",
                        "#!/usr/bin/python3\n"
                        "import os, signal, socket\n"
                        "s = socket.socket(fileno=int(os.environ['TLSBRIDGE_HANDOVER']))\n"
                        "s.send(b'TLSH\\0\\2\\5')\n"
                        "signal.pause()\n",
                        "uses version 2 of the hand-over, this one version 1"},
                    Bad{"ReadyAndGone",
                        "#!/usr/bin/python3\n"
                        "import os, socket\n"
                        "s = socket.socket(fileno=int(os.environ['TLSBRIDGE_HANDOVER']))\n"
                        "s.setblocking(True)\n"
                        "s.recv(65536); s.recv(65536)\n"
                        "s.send(b'TLSH\\0\\1\\5\\1\\1\\1\\1')\n"
                        "s.recv(65536)\n",
                        "the new process exited"}),
    [](const auto& info) { return info.param.name; });

TEST_P(BadProgram, WhoServesGoesOnAndSaysWhyAndTakesTheNextGoodOne) {
  ASSERT_NO_FATAL_FAILURE(Start({"--upgrade-timeout=1s"}));
  auto before = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(before.ok());
  ASSERT_NO_FATAL_FAILURE(Replace(GetParam().script));
  kill(serving_, SIGUSR2);
  EXPECT_THAT(Refusal(), HasSubstr(GetParam().reason));
  EXPECT_TRUE(Echoes(*before, "hello"));
  EXPECT_TRUE(Serves());
  EXPECT_EQ(access(dir().PathOf("s").c_str(), F_OK), 0);
  ASSERT_NO_FATAL_FAILURE(Copy());
  EXPECT_EQ(HandOver(), 2) << tlsbridge().Output();
  EXPECT_TRUE(Serves());
}

TEST_F(HandoverFailures, AConfigurationThatTheNewOneCannotServeIsToldByItsReason) {
  ASSERT_NO_FATAL_FAILURE(Start({"--no-watch-files"}));
  const std::string good =
      (std::ostringstream() << std::ifstream(files_.certificate).rdbuf()).str();
  std::ofstream(files_.certificate) << "nonsense";
  const ProgramResult said = Ask({"upgrade"});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_THAT(said.errors, HasSubstr(files_.certificate));
  EXPECT_THAT(Refusal(), HasSubstr(files_.certificate));
  EXPECT_TRUE(Serves());
  std::ofstream(files_.certificate) << good;
}

TEST_F(HandoverFailures, TheSuccessorInheritsNothingButItsChannel) {
  ASSERT_NO_FATAL_FAILURE(Start());
  auto open = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(open.ok());
  const std::string list = dir().PathOf("list");
  ASSERT_NO_FATAL_FAILURE(
      Replace(absl::StrCat("#!/usr/bin/python3\n"
                           "import os\n"
                           "n = int(os.environ['TLSBRIDGE_HANDOVER'])\n"
                           "fds = [int(fd) for fd in os.listdir('/proc/self/fd')]\n"
                           "def is_open(fd):\n"
                           "  try: os.fstat(fd)\n"
                           "  except OSError: return False\n"
                           "  return True\n"
                           "left = [fd for fd in fds if is_open(fd) and fd not in (0, 1, 2, n)]\n"
                           "open('",
                           list, "', 'w').write(str(left))\n")
                  .c_str()));
  kill(serving_, SIGUSR2);
  Refusal();
  EXPECT_EQ((std::ostringstream() << std::ifstream(list).rdbuf()).str(), "[]");
}

TEST_F(HandoverFailures, OneAtATimeAndReloadsWait) {
  ASSERT_NO_FATAL_FAILURE(Start({"--upgrade-timeout=2s"}));
  ASSERT_NO_FATAL_FAILURE(Replace(kSilent));
  kill(serving_, SIGUSR2);
  Ask({"upgrade"});
  EXPECT_THAT(Refusal(), HasSubstr("another hand-over is in progress"));
  kill(serving_, SIGHUP);
  const auto events = tlsbridge().WaitForEvents("restart_refused", 2);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_THAT(events[1]["message"].get<std::string>(), HasSubstr("was not ready within 2s"));
  EXPECT_TRUE(tlsbridge().WaitForEvent("reloaded").has_value());
  EXPECT_TRUE(Serves());
}

// It was reaped by the process that killed it; or that one ended before, and it is ours to reap.
void ExpectNoSuccessor() {
  int status = 0;
  if (waitpid(-1, &status, 0) < 0) {
    EXPECT_EQ(errno, ECHILD);
  } else {
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }
}

TEST_F(HandoverFailures, AskedToDrainMeanwhileItDrainsAndTheSuccessorIsEnded) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(Replace(kSilent));
  kill(serving_, SIGUSR2);
  EXPECT_THAT(Ask({"upgrade"}).errors, HasSubstr("another hand-over is in progress"));
  EXPECT_EQ(Ask({"drain"}).output, "draining\n");
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
  serving_ = 0;
  ExpectNoSuccessor();
}

TEST_F(HandoverFailures, ToldToStopMeanwhileItStopsAndTheSuccessorIsEnded) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(Replace(kSilent));
  kill(serving_, SIGUSR2);
  EXPECT_THAT(Ask({"upgrade"}).errors, HasSubstr("another hand-over is in progress"));
  kill(serving_, SIGTERM);
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
  serving_ = 0;
  ExpectNoSuccessor();
}

}  // namespace
}  // namespace tlsbridge::e2e
