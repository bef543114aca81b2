// The commands that ask a running process, as an operator types them.

#include <poll.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/run_program.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandsTest : public TlsbridgeTest {
 protected:
  void Start(std::vector<std::string> more = {}) {
    admin_ = absl::StrCat("unix:", dir().PathOf("admin"));
    more.push_back("--admin-listen=" + admin_);
    ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), more));
  }
  ProgramResult Ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--admin", admin_});
    return RunProgram(arguments);
  }
  static nlohmann::json Json(const ProgramResult& result) {
    return nlohmann::json::parse(result.output, nullptr, /*allow_exceptions=*/false);
  }
  void FailOnce() {
    Curl(certificates().authority_certificate(),
         {absl::StrCat("http://", tlsbridge().address(), "/")});
  }

  TcpBackend backend_{&EchoBytes};
  std::string admin_;
};

TEST_F(CommandsTest, ProbesTellByTheirExitCode) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-delay=1h"}));
  EXPECT_EQ(Ask({"live"}).output, "live\n");
  EXPECT_EQ(Ask({"ready"}).output, "ready\n");
  EXPECT_EQ(Ask({"ready"}).exit_code, 0);
  EXPECT_EQ(Ask({"status"}).exit_code, 0);
  EXPECT_EQ(Ask({"drain"}).output, "draining\n");
  const ProgramResult ready = Ask({"ready"});
  EXPECT_EQ(ready.exit_code, 1);
  EXPECT_EQ(ready.output, "draining\n");
  EXPECT_EQ(Json(Ask({"ready", "--json"})),
            nlohmann::json({{"ready", false}, {"why", "draining"}}));
  EXPECT_EQ(Ask({"live"}).exit_code, 0);
  const ProgramResult status = Ask({"status"});
  EXPECT_EQ(status.exit_code, 3);
  EXPECT_THAT(status.output, StartsWith("draining; 1 problem\n"));
  EXPECT_EQ(tlsbridge().Stop(), 0);
}

TEST_F(CommandsTest, StatusIsAPageOrTheDocument) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_THAT(Ask({"status"}).output,
              AllOf(StartsWith("ready\n"), ContainsRegex("\nsidecar +terminate +0"),
                    HasSubstr(backend_.address())));
  EXPECT_EQ(Json(Ask({"status", "--json"}))["pid"], tlsbridge().process().pid());
}

TEST_F(CommandsTest, AConnectionIsListedAndItsLifeTold) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(Ask({"connections"}).output, "no connections\n");
  auto client = TlsClient::Open(tlsbridge().address(), {.server_name = "localhost"});
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("hello").ok());
  ASSERT_TRUE(client->ReadExactly(5).ok());
  const nlohmann::json list = Json(Ask({"connections", "--json", "--route", "sidecar"}));
  ASSERT_EQ(list["records"].size(), 1u);
  const std::string id = list["records"][0]["id"].dump();
  const std::string peer = list["records"][0]["peer"];
  EXPECT_THAT(Ask({"connections"}).output, HasSubstr(peer));
  for (const std::string& name : {id, peer, std::string("127.0.0.1")}) {
    const ProgramResult why = Ask({"why", name});
    EXPECT_EQ(why.exit_code, 0) << why.errors;
    EXPECT_THAT(
        why.output,
        AllOf(HasSubstr(absl::StrCat("connection ", id, " of ", peer, " is open")),
              HasSubstr("TLS handshake done: TLSv1.3"), HasSubstr("the backend's first byte"),
              HasSubstr("5 bytes from the client, 5 to it")));
  }
  ASSERT_TRUE(client->SendCloseNotify().ok());
  ASSERT_TRUE(client->ReadToEnd().ok());
  ASSERT_EQ(tlsbridge().WaitForConnections(1).size(), 1u);
  for (const std::string& name : {id, peer, std::string("127.0.0.1")}) {
    const ProgramResult why = Ask({"why", name});
    EXPECT_EQ(why.exit_code, 0) << why.errors;
    EXPECT_THAT(why.output,
                AllOf(HasSubstr(absl::StrCat("connection ", id, " of ", peer, " ended at 2")),
                      HasSubstr("the backend's first byte"), HasSubstr("ended: closed_incoming: "),
                      HasSubstr("5 bytes from the client, 5 to it")));
  }
  const nlohmann::json lives = Json(Ask({"why", peer, "--json"}));
  ASSERT_EQ(lives["ended"].size(), 1u);
  const nlohmann::json logged = tlsbridge().Connections()[0];
  nlohmann::json kept = lives["ended"][0]["fields"];
  for (const auto& [key, value] : kept.items()) EXPECT_EQ(value, logged[key]) << key;
  EXPECT_EQ(kept.size() + 2, logged.size()) << "all but time and level";
  EXPECT_EQ(Ask({"why", "127.0.0.9"}).exit_code, 1);
  EXPECT_EQ(Ask({"why", "4711"}).exit_code, 1);
  EXPECT_EQ(Ask({"why"}).exit_code, 2);
  const ProgramResult bad = Ask({"connections", "--peer", "nobody"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.errors, HasSubstr("peer: 'nobody' is not allowed"));
}

TEST_F(CommandsTest, FailuresAreToldAsTheLogHasThemAndTheirLivesInWords) {
  ASSERT_NO_FATAL_FAILURE(Start());
  FailOnce();
  ASSERT_EQ(tlsbridge().WaitForConnections(1).size(), 1u);
  EXPECT_THAT(Ask({"failures"}).output, HasSubstr("connection_end id=1 peer=127.0.0.1:"));
  EXPECT_EQ(Ask({"failures", "--reason", "truncated"}).output, "");
  EXPECT_EQ(Json(Ask({"failures", "--json"}))["failures"].size(), 1u);
  EXPECT_THAT(Ask({"why", "1"}).output,
              AllOf(HasSubstr("ended: tls_handshake_failed"), HasSubstr("detail plain_http")));
}

TEST_F(CommandsTest, FailuresAreFollowedUntilTheProcessEnds) {
  ASSERT_NO_FATAL_FAILURE(Start());
  FailOnce();
  const char* const binary = std::getenv("TLSBRIDGE_BINARY");
  auto follower =
      Process::Start({.argv = {binary, "failures", "--follow", "--json", "--admin", admin_}});
  ASSERT_TRUE(follower.ok()) << follower.status();
  const auto lines = [&] {
    std::vector<std::string> lines = absl::StrSplit((*follower)->StdoutText(), '\n');
    return lines.size() - 1;
  };
  const Deadline deadline(kPatience);
  while (lines() < 1 && deadline.PollTimeoutMilliseconds() > 0) poll(nullptr, 0, 20);
  EXPECT_EQ(lines(), 1u);
  FailOnce();
  while (lines() < 2 && deadline.PollTimeoutMilliseconds() > 0) poll(nullptr, 0, 20);
  EXPECT_EQ(lines(), 2u);
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ((*follower)->WaitForExit(), 2);
  EXPECT_THAT((*follower)->StderrText(), AnyOf(HasSubstr("no tlsbridge is listening there"),
                                               HasSubstr("closed the connection without an answer"),
                                               HasSubstr("not the admin interface")));
}

TEST_F(CommandsTest, TheLevelOfTheLogCanBeChanged) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(Ask({"log-level", "debug"}).output, "log level debug until a restart\n");
  EXPECT_TRUE(tlsbridge().WaitForEvent("log_level"));
  EXPECT_EQ(Json(Ask({"status", "--json"}))["log"]["level"], "debug");
  const ProgramResult bad = Ask({"log-level", "loud"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.errors, HasSubstr("level: 'loud' is not allowed; use debug, info"));
  EXPECT_EQ(Ask({"log-level", "info"}).exit_code, 0);
}

TEST_F(CommandsTest, TopShowsPictures) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_THAT(Ask({"top", "--count=1"}).output,
              AllOf(StartsWith("ready\n"), HasSubstr("NEW/s"), ContainsRegex("\nsidecar +0")));
}

// A real one, of 80 columns and 24 lines, that tmux holds.
class TerminalTest : public CommandsTest {
 protected:
  void Open(const std::string& command) {
    ASSERT_TRUE(Tmux({"new-session", "-d", "-x", "80", "-y", "24",
                      absl::StrCat(std::getenv("TLSBRIDGE_BINARY"), " ", command, " --admin ",
                                   admin_, "; echo exit code $?; cat")})
                    .ok());
  }
  void TearDown() override {
    (void)Tmux({"kill-server"});
    CommandsTest::TearDown();
  }
  absl::StatusOr<std::string> Tmux(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"tmux", "-f", "/dev/null", "-S", dir().PathOf("tmux")});
    return RunToEnd(arguments);
  }
  // The lines of the screen, once one of them has `text`.
  std::vector<std::string> ScreenWith(const std::string& text) {
    std::string screen;
    const Deadline deadline(kPatience);
    while (deadline.PollTimeoutMilliseconds() > 0 && screen.find(text) == std::string::npos) {
      screen = Tmux({"capture-pane", "-p"}).value_or("");
      poll(nullptr, 0, 50);
    }
    EXPECT_THAT(screen, HasSubstr(text));
    return absl::StrSplit(screen, '\n');
  }
};

TEST_F(TerminalTest, TopFillsItAndWritesOverWhatWasThere) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(Open("top"));
  const std::vector<std::string> first = ScreenWith("sidecar");
  EXPECT_EQ(first[0], "ready");
  EXPECT_LE(first.size(), 25u) << "24 lines and what is behind the last";
  FailOnce();
  // The next picture, at the same place.
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  const std::vector<std::string> next = ScreenWith("sidecar     1");
  EXPECT_EQ(next[0], "ready");
  EXPECT_EQ(std::count_if(next.begin(), next.end(),
                          [](const auto& line) {
                            return line.find("ROUTE") == 0 && line.find("CONNECT p50/p99") > 0;
                          }),
            1)
      << "written over, and as wide as the screen";
  ASSERT_TRUE(Tmux({"send-keys", "C-c"}).ok());
}

TEST_F(TerminalTest, StatusFitsIt) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(Open("status"));
  const std::vector<std::string> screen = ScreenWith("exit code 0");
  EXPECT_EQ(screen[0], "ready");
  EXPECT_THAT(screen, testing::Contains(testing::ContainsRegex("^sidecar +terminate +0")));
}

TEST(CommandErrorsTest, SayWhatToDo) {
  const ProgramResult nobody = RunProgram({"status", "--admin", "unix:/nonexistent/admin"});
  EXPECT_EQ(nobody.exit_code, 2);
  EXPECT_THAT(nobody.errors, HasSubstr("unix:/nonexistent/admin: no tlsbridge is listening there; "
                                       "start it with --admin-listen unix:/nonexistent/admin"));
  EXPECT_THAT(RunProgram({"status"}).errors, HasSubstr("unix:/run/tlsbridge/admin"));
  EXPECT_THAT(RunProgram({"status"}, {{"TLSBRIDGE_ADMIN", "unix:/other"}}).errors,
              HasSubstr("unix:/other: "));
  EXPECT_THAT(RunProgram({"ready", "--admin", "nowhere"}).errors, HasSubstr("--admin: "));
  EXPECT_THAT(RunProgram({"ready", "--adm", "x"}).errors, HasSubstr("did you mean --admin?"));
  EXPECT_EQ(RunProgram({"ready", "now"}).exit_code, 2);
  TcpBackend other([](Socket& connection) {
    (void)connection.ReadExactly(10);
    (void)connection.Write("SSH-2.0-OpenSSH_9.2\r\n");
    (void)connection.ReadToEnd();
  });
  const ProgramResult ssh = RunProgram({"status", "--admin", other.address()});
  EXPECT_EQ(ssh.exit_code, 2);
  EXPECT_THAT(ssh.errors, HasSubstr("not the admin interface of a tlsbridge"));
}

TEST(CommandErrorsTest, HelpTellsExitCodes) {
  for (const char* command :
       {"status", "top", "connections", "failures", "why", "ready", "live", "drain", "log-level"}) {
    const ProgramResult result = RunProgram({command, "--help"});
    EXPECT_EQ(result.exit_code, 0) << command;
    EXPECT_THAT(result.output, AllOf(HasSubstr("Exits with 0"), HasSubstr("--admin"),
                                     HasSubstr(absl::StrCat("  tlsbridge ", command))))
        << command;
    EXPECT_THAT(RunProgram({"--help"}).output,
                HasSubstr(absl::StrCat("  tlsbridge ", command, " ")));
  }
}

}  // namespace
}  // namespace tlsbridge::e2e
