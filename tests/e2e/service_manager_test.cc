// What a service manager hears of the program, from its start to its end; the manager is a socket
// of the test's.

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"
#include "tests/router/host/listening_manager.h"

namespace tlsbridge::e2e {
namespace {

constexpr int kPatienceMs = 20'000;

class ServiceManagerTest : public TlsbridgeTest {
 protected:
  void Start(const std::string& watchdog_usec = "") {
    certificates().Issue();
    TlsbridgeOptions options = {.subcommand = "run", .listen = {}};
    options.arguments = {"--config", WriteConfig(Yaml()), "--no-watch-files"};
    options.environment = {{"NOTIFY_SOCKET", ear_.name()}};
    if (!watchdog_usec.empty()) options.environment["WATCHDOG_USEC"] = watchdog_usec;
    ASSERT_NO_FATAL_FAILURE(StartTlsbridge(options));
  }
  std::string Yaml() const {
    return absl::StrCat(
        "workers: 2\n"
        "listeners: [{address: '127.0.0.1:0'}]\n"
        "shutdown: {drain_timeout: 1s}\n"
        "routes:\n"
        "- name: only\n"
        "  tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
        "  backends: [{address: '",
        backend_.address(), "'}]\n");
  }
  // The next that has that in it; what comes before is skipped. Empty if none comes.
  std::string Hear(absl::string_view part) {
    while (true) {
      std::string heard = ear_.Next(kPatienceMs);
      if (heard.empty() || absl::StrContains(heard, part)) return heard;
    }
  }

  TcpBackend backend_{[](Socket& connection) {
    while (true) {
      const auto line = connection.ReadUntil("\n");
      if (!line.ok() || !connection.Write(*line).ok()) return;
    }
  }};
  testing::ListeningManager ear_;
};

TEST_F(ServiceManagerTest, HearsOfStartReloadsAndTheEndInOrder) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(Hear("READY=1"), "READY=1\nSTATUS=ready. 0 connections, 1 route");

  EXPECT_EQ(tlsbridge().Reload().value("event", ""), "reloaded");
  EXPECT_TRUE(absl::StartsWith(ear_.Next(kPatienceMs), "RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_TRUE(absl::StartsWith(ear_.Next(kPatienceMs), "READY=1\nSTATUS=ready. "));

  WriteConfig("listeners: nonsense\n");
  EXPECT_EQ(tlsbridge().Reload().value("event", ""), "reload_refused");
  EXPECT_TRUE(absl::StartsWith(ear_.Next(kPatienceMs), "RELOADING=1\n"));
  EXPECT_EQ(ear_.Next(kPatienceMs), "READY=1\nSTATUS=ready; 1 problem. 0 connections, 1 route");

  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_TRUE(absl::StartsWith(ear_.Next(kPatienceMs), "STOPPING=1\nSTATUS=draining; 2 problems"));
}

TEST_F(ServiceManagerTest, HearsThatMoreTimeIsNeededWhileConnectionsDrain) {
  ASSERT_NO_FATAL_FAILURE(Start());
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("hello\n").ok());
  ASSERT_EQ(client->ReadExactly(6).value_or(""), "hello\n");
  tlsbridge().process().SendSignal(SIGTERM);
  const std::string stopping = Hear("STOPPING=1");
  EXPECT_TRUE(absl::StrContains(stopping, "1 connection, ")) << stopping;
  EXPECT_TRUE(absl::StrContains(stopping, "\nEXTEND_TIMEOUT_USEC=")) << stopping;
  EXPECT_EQ(tlsbridge().Stop(), 0);
}

// The threads that wait in epoll, but for main's.
std::vector<pid_t> Workers(pid_t pid) {
  std::vector<pid_t> workers;
  const std::string folder = absl::StrCat("/proc/", pid, "/task");
  DIR* const tasks = opendir(folder.c_str());
  if (tasks == nullptr) return workers;
  while (const dirent* entry = readdir(tasks)) {
    const pid_t tid = atoi(entry->d_name);
    if (tid <= 0 || tid == pid) continue;
    const std::string path = absl::StrCat(folder, "/", tid, "/syscall");
    FILE* const file = fopen(path.c_str(), "r");
    long number = -1;
    if (file != nullptr) {
      if (fscanf(file, "%ld", &number) != 1) number = -1;
      fclose(file);
    }
    if (number == SYS_epoll_wait) workers.push_back(tid);
  }
  closedir(tasks);
  return workers;
}

// A debugger stops one thread, and no other.
TEST_F(ServiceManagerTest, IsNotFedOnceOneWorkerIsStuck) {
  ASSERT_NO_FATAL_FAILURE(Start(/*watchdog_usec=*/"1000000"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Hear("WATCHDOG=1"), "WATCHDOG=1");
  // One that is just being fed does not wait.
  std::vector<pid_t> workers;
  const Deadline deadline(kPatience);
  while (workers.size() < 2 && deadline.PollTimeoutMilliseconds() > 0) {
    workers = Workers(tlsbridge().process().pid());
  }
  ASSERT_EQ(workers.size(), 2u);
  const pid_t stuck = workers.back();
  if (ptrace(PTRACE_ATTACH, stuck, nullptr, nullptr) != 0) {
    GTEST_SKIP() << "this machine lets no process trace its children: " << strerror(errno);
  }
  ASSERT_EQ(waitpid(stuck, nullptr, __WALL), stuck);
  while (!ear_.Next(/*patience_ms=*/600).empty()) continue;  // what it had answered
  EXPECT_EQ(ear_.Next(/*patience_ms=*/2000), "");
  EXPECT_EQ(ptrace(PTRACE_DETACH, stuck, nullptr, nullptr), 0);
  EXPECT_EQ(Hear("WATCHDOG=1"), "WATCHDOG=1");
}

}  // namespace
}  // namespace tlsbridge::e2e
