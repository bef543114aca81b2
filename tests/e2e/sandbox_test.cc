// What the program gives up once it serves: shown by somebody who sits in one of its threads and
// tries, and by all that must go on working.

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/run_program.h"
#include "tests/e2e/support/tls_client.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SKIP_SANITIZED() GTEST_SKIP() << "a sanitizer needs more than the sandbox allows"
#else
#define SKIP_SANITIZED() static_cast<void>(0)
#endif

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr char kAll[] = "no_new_privs,landlock,seccomp";

class SandboxTest : public TlsbridgeTest {
 protected:
  std::vector<std::string> Arguments(const std::vector<std::string>& more = {}) {
    const CertificateFiles files = certificates().Issue();
    std::vector<std::string> arguments = {
        "--backend", backend_.address(), "--cert", files.certificate, "--key", files.key};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  // With a route whose certificate is in a folder of its own.
  std::string Yaml(const std::string& folder, const std::string& rest = "") const {
    return absl::StrCat(
        "listeners: [{address: '127.0.0.1:0'}]\n"
        "routes:\n"
        "- name: only\n"
        "  tls: {certificates: [{cert: '",
        folder, "/localhost.crt', key: '", folder, "/localhost.key'}]}\n",
        "  backends: [{address: '", backend_.address(), "'}]\n", rest);
  }
  void CopyCertificateTo(const std::string& folder) {
    mkdir(folder.c_str(), 0755);
    for (const char* name : {"localhost.crt", "localhost.key"}) {
      std::ofstream(absl::StrCat(folder, "/", name)) << std::ifstream(dir().PathOf(name)).rdbuf();
    }
  }
  std::string InForce() { return tlsbridge().Events("ready").at(0).value("sandbox", ""); }
  void ExpectAnAnswer() {
    auto client = TlsClient::Open(tlsbridge().address());
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_TRUE(client->Write("hello\n").ok());
    EXPECT_EQ(client->ReadExactly(6).value_or("nothing"), "hello\n");
  }

  TcpBackend backend_{[](Socket& connection) {
    while (true) {
      const auto line = connection.ReadUntil("\n");
      if (!line.ok() || !connection.Write(*line).ok()) return;
    }
  }};
};

class IntruderTest : public SandboxTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(IntruderTest, GetsNothingFromAThreadThatItHasTaken) {
  SKIP_SANITIZED();
  const std::string trigger = dir().PathOf("trigger");
  const std::string report = dir().PathOf("report");
  ASSERT_NO_FATAL_FAILURE(
      StartTlsbridge({.subcommand = "sidecar",
                      .listen = {"127.0.0.1:0"},
                      .arguments = Arguments({GetParam()}),
                      .environment = {{"LD_PRELOAD", std::getenv("INTRUDER")},
                                      {"INTRUDER_TRIGGER", trigger},
                                      {"INTRUDER_CERTIFICATE", dir().PathOf("localhost.crt")},
                                      {"INTRUDER_REPORT", report}},
                      .wrapper = {}}));
  if (InForce() != kAll) GTEST_SKIP() << "this kernel has only " << InForce();
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  dir().WriteFile("trigger", "");
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer()) << "it goes on serving";

  std::map<std::string, std::string> became;
  std::ifstream lines(report);
  for (std::string what, result; lines >> what >> result;) became[what] = result;
  EXPECT_EQ(became["end"], "succeeded");
  became.erase("end");
  EXPECT_EQ(became.size(), 22u);
  for (const auto& [what, result] : became) {
    EXPECT_THAT(result, AnyOf("EACCES", "EPERM", "ENOSYS")) << what;
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, IntruderTest, ::testing::Values("--workers=1", "--workers=2"),
                         [](const auto& info) {
                           return absl::StrCat("Workers", info.param + sizeof("--workers"));
                         });

TEST_F(SandboxTest, IsOnByDefaultAndCanBeSwitchedOff) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  EXPECT_THAT(InForce(), HasSubstr("no_new_privs"));
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  TearDown();
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), {"--no-sandbox"}));
  EXPECT_EQ(InForce(), "none");
  TearDown();
  ASSERT_NO_FATAL_FAILURE(StartRun(Yaml(dir().path(), "sandbox: {enabled: false}\n")));
  EXPECT_EQ(InForce(), "none");
}

TEST_F(SandboxTest, WhatTheKernelLacksIsNamedAndTheRestIsInForce) {
  SKIP_SANITIZED();
  for (const std::string part : {"landlock", "seccomp"}) {
    ASSERT_NO_FATAL_FAILURE(StartTlsbridge({.subcommand = "sidecar",
                                            .listen = {"127.0.0.1:0"},
                                            .arguments = Arguments(),
                                            .environment = {},
                                            .wrapper = {std::getenv("OLDER_KERNEL"), part}}));
    EXPECT_THAT(InForce(), AllOf(HasSubstr("no_new_privs"), ::testing::Not(HasSubstr(part))));
    const auto warnings = tlsbridge().Events("sandbox_incomplete");
    ASSERT_EQ(warnings.size(), 1u) << part;
    EXPECT_THAT(warnings[0].value("message", ""), HasSubstr(part + ": "));
    EXPECT_NE(warnings[0].value("hint", ""), "");
    ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
    TearDown();
  }
}

TEST_F(SandboxTest, AReloadThatNamesFilesElsewhereIsRefusedWithWhatToDo) {
  SKIP_SANITIZED();
  ASSERT_NO_FATAL_FAILURE(StartRun(Yaml(dir().path())));
  const std::string elsewhere = absl::StrCat(dir().path(), ".elsewhere");
  CopyCertificateTo(elsewhere);
  const nlohmann::json refused = ReloadWith(Yaml(elsewhere));
  EXPECT_EQ(refused.value("event", ""), "reload_refused");
  EXPECT_THAT(refused.value("message", ""),
              AllOf(HasSubstr(elsewhere), HasSubstr("--no-sandbox"), HasSubstr("sandbox.read")));
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  std::string remove = "rm -r " + elsewhere;
  EXPECT_EQ(system(remove.c_str()), 0);
}

TEST_F(SandboxTest, AReloadMayNameFilesOfFoldersThatWereAnnounced) {
  const std::string elsewhere = absl::StrCat(dir().path(), ".announced");
  const std::string announced = absl::StrCat("sandbox: {read: ['", elsewhere, "']}\n");
  mkdir(elsewhere.c_str(), 0755);
  ASSERT_NO_FATAL_FAILURE(StartRun(Yaml(dir().path(), announced)));
  CopyCertificateTo(elsewhere);
  EXPECT_EQ(ReloadWith(Yaml(elsewhere, announced)).value("event", ""), "reloaded");
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  std::string remove = "rm -r " + elsewhere;
  EXPECT_EQ(system(remove.c_str()), 0);
}

// Of every thread.
std::set<std::string> OfThreads(pid_t pid, const std::string& field) {
  std::set<std::string> values;
  const std::string folder = absl::StrCat("/proc/", pid, "/task");
  DIR* const tasks = opendir(folder.c_str());
  while (const dirent* entry = tasks == nullptr ? nullptr : readdir(tasks)) {
    std::ifstream status(absl::StrCat(folder, "/", entry->d_name, "/status"));
    for (std::string line; std::getline(status, line);) {
      if (absl::StartsWith(line, field + ":")) values.insert(line.substr(field.size() + 2));
    }
  }
  if (tasks != nullptr) closedir(tasks);
  return values;
}

TEST_F(SandboxTest, EveryThreadObeys) {
  SKIP_SANITIZED();
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), {"--workers=3"}));
  const pid_t pid = tlsbridge().process().pid();
  EXPECT_EQ(OfThreads(pid, "NoNewPrivs"), std::set<std::string>{"1"});
  EXPECT_EQ(OfThreads(pid, "Seccomp"), std::set<std::string>{"2"});
}

class UserTest : public SandboxTest {
 protected:
  void SetUp() override {
    // In a user namespace there may be no other user.
    const std::string probe = dir().WriteFile("probe", "");
    if (chown(probe.c_str(), 65534, 65534) != 0) {
      GTEST_SKIP() << "only root can become another user";
    }
  }
  // The folder and its key are for the user's group.
  std::vector<std::string> ReadableArguments(const std::vector<std::string>& more) {
    const std::vector<std::string> arguments = Arguments(more);
    EXPECT_EQ(chmod(dir().path().c_str(), 0755), 0);
    EXPECT_EQ(chown(dir().PathOf("localhost.key").c_str(), 0, 65534), 0);
    EXPECT_EQ(chmod(dir().PathOf("localhost.key").c_str(), 0640), 0);
    return arguments;
  }
};

TEST_F(UserTest, EveryThreadIsTheUserWithoutRights) {
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge({.subcommand = "sidecar",
                                          .listen = {"127.0.0.1:0"},
                                          .arguments = ReadableArguments({"--user=65534:65534"}),
                                          .environment = {},
                                          .wrapper = {}}));
  const pid_t pid = tlsbridge().process().pid();
  const std::string four = "65534\t65534\t65534\t65534";
  EXPECT_EQ(OfThreads(pid, "Uid"), std::set<std::string>{four});
  EXPECT_EQ(OfThreads(pid, "Gid"), std::set<std::string>{four});
  EXPECT_EQ(OfThreads(pid, "CapEff"), std::set<std::string>{"0000000000000000"});
  EXPECT_EQ(OfThreads(pid, "CapPrm"), std::set<std::string>{"0000000000000000"});
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  EXPECT_EQ(tlsbridge().Reload().value("event", ""), "reloaded");
}

TEST_F(UserTest, AKeyThatTheUserCannotReadAgainIsNamedAtTheStart) {
  std::vector<std::string> arguments = ReadableArguments({"--user=65534:65534"});
  EXPECT_EQ(chmod(dir().PathOf("localhost.key").c_str(), 0600), 0);
  arguments.insert(arguments.begin(), {"sidecar", "--listen=127.0.0.1:0", "--log-level=error"});
  const ProgramResult result = RunProgram(arguments);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, AllOf(HasSubstr(dir().PathOf("localhost.key")), HasSubstr("chgrp")));
}

TEST_F(UserTest, NobodyAndRootAreNoUsersToChangeTo) {
  for (const char* user : {"--user=no-such-user", "--user=root", "--user=65534:no-such-group"}) {
    std::vector<std::string> arguments = Arguments({user});
    arguments.insert(arguments.begin(), {"sidecar", "--listen=127.0.0.1:0", "--log-level=error"});
    const ProgramResult result = RunProgram(arguments);
    EXPECT_EQ(result.exit_code, 2) << user;
    EXPECT_THAT(result.errors, HasSubstr("--user: ")) << user;
  }
}

TEST_F(SandboxTest, ACoreDumpIsLeftWhereOneIsAskedFor) {
  SKIP_SANITIZED();
  std::string pattern;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
  if (pattern.find_first_of("|/") != std::string::npos) {
    GTEST_SKIP() << "this machine's dumps go elsewhere: " << pattern;
  }
  rlimit limit;
  if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max < 2) {
    GTEST_SKIP() << "the limit of core dumps is hard";
  }
  const std::string folder = dir().PathOf("dumps");
  mkdir(folder.c_str(), 0755);
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(
      {.subcommand = "sidecar",
       .listen = {"127.0.0.1:0"},
       .arguments = Arguments({"--core-dumps"}),
       .environment = {},
       .wrapper = {"sh", "-c",
                   "ulimit -S -c $(ulimit -H -c); program=$(realpath $1); shift; cd " + folder +
                       "; exec $program \"$@\"",
                   "sh"}}));
  tlsbridge().process().SendSignal(SIGSEGV);
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 128 + SIGSEGV);
  EXPECT_EQ(system(absl::StrCat("ls ", folder, "/core*").c_str()), 0);
  ForgetTlsbridge();
}

}  // namespace
}  // namespace tlsbridge::e2e
