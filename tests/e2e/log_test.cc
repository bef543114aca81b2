// The connection_end line, as JSON and as text.

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// Everything that could break a line, a field or a terminal.
constexpr char kHostileName[] = "a\"b\\c d=e\nlevel=error\r\x1b[31m\x7f\xff\xc3\xa9{}:,\t";

// Whether a line of text is a time, a level, an event and then fields, "key=value" or
// "key=\"value\"", with nothing between them but a blank.
bool IsFields(absl::string_view line) {
  for (int word = 0; word < 3; ++word) {
    const size_t end = line.find(' ');
    if (end == 0 || (end == absl::string_view::npos && word < 2)) return false;
    line.remove_prefix(std::min(line.size(), end == absl::string_view::npos ? end : end + 1));
  }
  while (!line.empty()) {
    const size_t equals = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_");
    if (equals == 0 || equals == absl::string_view::npos || line[equals] != '=') return false;
    line.remove_prefix(equals + 1);
    if (absl::ConsumePrefix(&line, "\"")) {
      size_t end = 0;
      while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
      if (end >= line.size()) return false;
      line.remove_prefix(end + 1);
    } else {
      const size_t end = std::min(line.find_first_of(" \""), line.size());
      if (end == 0) return false;
      line.remove_prefix(end);
    }
    if (!line.empty() && !absl::ConsumePrefix(&line, " ")) return false;
  }
  return true;
}

void Answer(Socket& connection) {
  const auto question = connection.ReadToEnd();
  if (question.ok()) (void)connection.Write("an answer");
}

class LogTest : public TlsbridgeTest {
 protected:
  static void Converse(const std::string& address, const TlsClientOptions& options) {
    auto client = TlsClient::Open(address, options);
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_TRUE(client->Write("question").ok());
    ASSERT_TRUE(client->SendCloseNotify().ok());
    EXPECT_EQ(client->ReadToEnd().value_or("failed"), "an answer");
  }
  nlohmann::json OnlyConnection() {
    const auto ended = tlsbridge().WaitForConnections(1);
    return ended.empty() ? nlohmann::json::object() : ended[0];
  }
  // What the program writes as text about one conversation.
  std::vector<std::string> TextLog(const TlsClientOptions& options) {
    const CertificateFiles files = certificates().Issue();
    const std::string address = absl::StrCat("unix:", dir().PathOf("listener"));
    std::promise<void> ready;
    auto process = Process::Start(
        {.argv = {getenv("TLSBRIDGE_BINARY"), "sidecar", "--listen", address, "--backend",
                  backend_.address(), "--cert", files.certificate, "--key", files.key},
         .environment = {},
         .on_stderr_line = [&ready](absl::string_view line) {
           if (absl::StrContains(line, " info ready ")) ready.set_value();
         }});
    EXPECT_TRUE(process.ok()) << process.status();
    EXPECT_EQ(ready.get_future().wait_for(absl::ToChronoSeconds(kPatience)),
              std::future_status::ready);
    Converse(address, options);
    (*process)->SendSignal(SIGTERM);
    EXPECT_EQ((*process)->WaitForExit(), 0);
    return absl::StrSplit((*process)->StderrText(), '\n', absl::SkipEmpty());
  }

  TcpBackend backend_{Answer};
};

TEST_F(LogTest, JsonHasEveryFieldOfAConnection) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  Converse(tlsbridge().address(), {.server_name = "name.example"});
  const nlohmann::json line = OnlyConnection();
  EXPECT_THAT(line["time"].get<std::string>(),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9][0-9][0-9]Z"));
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["id"], 1);
  EXPECT_THAT(line["peer"].get<std::string>(), MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
  EXPECT_EQ(line["listener"], tlsbridge().address());
  EXPECT_EQ(line["route"], "sidecar");
  EXPECT_EQ(line["backend"], backend_.address());
  EXPECT_EQ(line["reason"], "closed_incoming");
  EXPECT_EQ(line["incoming"], "normal");
  EXPECT_EQ(line["outgoing"], "socket_end");
  EXPECT_EQ(line["bytes_received"], 8);
  EXPECT_EQ(line["bytes_sent"], 9);
  EXPECT_EQ(line["sni"], "name.example");
  EXPECT_EQ(line["tls"], "TLSv1.3");
  EXPECT_THAT(line["cipher"].get<std::string>(), HasSubstr("TLS_"));
  EXPECT_EQ(line["resumed"], false);
  EXPECT_NE(line.value("group", ""), "");
  for (const char* time : {"duration_ms", "handshake_ms", "connect_ms", "first_byte_ms"}) {
    ASSERT_TRUE(line[time].is_number()) << time;
    EXPECT_GE(line[time], 0) << time;
  }
  EXPECT_GE(line["duration_ms"], line["handshake_ms"]);
}

TEST_F(LogTest, ASingleQuoteNeedsNoEscape) {
  EXPECT_THAT(TextLog({.server_name = "it's \\'"}),
              testing::Contains(HasSubstr(" sni=\"it's \\\\'\" ")));
}

TEST_F(LogTest, EveryLineOfTheProgramIsJson) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), {"--log-level=debug"}));
  Converse(tlsbridge().address(), {});
  { auto probe = Socket::Connect(tlsbridge().address()); }
  ASSERT_FALSE(tlsbridge().Dump().is_null());
  tlsbridge().process().SendSignal(SIGHUP);
  ASSERT_EQ(tlsbridge().WaitForConnections(2).size(), 2u);
  EXPECT_EQ(tlsbridge().Stop(), 0);
  for (const absl::string_view line : absl::StrSplit(tlsbridge().Output(), '\n')) {
    if (line.empty()) continue;
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

TEST_F(LogTest, AHostileServerNameStaysInsideItsJsonField) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  Converse(tlsbridge().address(), {.server_name = kHostileName});
  const std::string sni = OnlyConnection()["sni"];
  // The byte that is no UTF-8 is replaced; all else is as it was.
  EXPECT_THAT(sni, HasSubstr("a\"b\\c d=e\nlevel=error\r\x1b[31m\x7f"));
  EXPECT_EQ(tlsbridge().Stop(), 0);
  for (const char c : tlsbridge().Output()) {
    EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << static_cast<int>(c);
  }
}

TEST_F(LogTest, JqTakesALineForAnObject) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), {"--log-level=debug", "--log-starts"}));
  Converse(tlsbridge().address(), {.server_name = kHostileName});
  ASSERT_FALSE(tlsbridge().Dump().is_null());
  ASSERT_EQ(tlsbridge().WaitForConnections(1).size(), 1u);
  EXPECT_EQ(tlsbridge().Stop(), 0);
  const std::string log = tlsbridge().Output();
  const auto said = RunToEnd({"jq", "-e", "-r", "if type == \"object\" then .event else error end",
                              dir().WriteFile("log", log)});
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(std::count(said->begin(), said->end(), '\n'), std::count(log.begin(), log.end(), '\n'));
  EXPECT_THAT(*said, HasSubstr("connection_start\n"));
}

TEST_F(LogTest, TextHasEveryFieldOfAConnection) {
  const std::vector<std::string> lines = TextLog({.server_name = "name.example"});
  ASSERT_GE(lines.size(), 3u);
  const auto line = std::find_if(lines.begin(), lines.end(), [](const std::string& text) {
    return absl::StrContains(text, " connection_end ");
  });
  ASSERT_NE(line, lines.end());
  for (const char* field :
       {" info connection_end id=1 ", " peer=unix: ", " route=sidecar ", " backend=127.0.0.1:",
        " reason=closed_incoming incoming=normal outgoing=socket_end ", " bytes_received=8 ",
        " bytes_sent=9 ", " sni=name.example ", " tls=TLSv1.3 ", " resumed=false "}) {
    EXPECT_THAT(*line, HasSubstr(field));
  }
  EXPECT_THAT(*line, ContainsRegex(" duration_ms=[0-9]+\\.[0-9]+ "));
  EXPECT_THAT(*line, ContainsRegex(" handshake_ms=[0-9]+\\.[0-9]+"));
  EXPECT_THAT(*line, ContainsRegex(" connect_ms=[0-9]+\\.[0-9]+"));
}

TEST_F(LogTest, AHostileServerNameStaysInsideItsTextField) {
  const std::vector<std::string> lines = TextLog({.server_name = kHostileName});
  int connections = 0;
  for (const std::string& line : lines) {
    for (const char c : line) EXPECT_TRUE(c >= ' ' && c <= '~') << static_cast<int>(c);
    if (absl::StrContains(line, " summary ")) continue;  // has JSON inside
    EXPECT_TRUE(IsFields(line)) << line;
    if (absl::StrContains(line, " connection_end ")) {
      ++connections;
      EXPECT_THAT(line, HasSubstr(" sni=\"a\\\"b\\\\c d=e\\nlevel=error\\r\\x1b[31m\\x7f\\xff"));
    }
  }
  EXPECT_EQ(connections, 1);
}

TEST_F(LogTest, LevelWarningLeavesOrderlyEndsOut) {
  const CertificateFiles files = certificates().Issue();
  const std::string address = absl::StrCat("unix:", dir().PathOf("listener"));
  // "ready" is not logged either, so that the first connection tells.
  auto process =
      Process::Start({.argv = {getenv("TLSBRIDGE_BINARY"), "sidecar", "--listen", address,
                               "--backend", backend_.address(), "--cert", files.certificate,
                               "--key", files.key, "--log-level", "warning",
                               // Whose parts some kernels lack, and say so.
                               "--no-sandbox"}});
  ASSERT_TRUE(process.ok()) << process.status();
  const Deadline deadline(kPatience);
  while (!Socket::Connect(address).ok() && deadline.PollTimeoutMilliseconds() > 0) {
  }
  Converse(address, {});
  { (void)Socket::Connect(address)->Write("not tls, and not HTTP either\n"); }
  (*process)->SendSignal(SIGTERM);
  EXPECT_EQ((*process)->WaitForExit(), 0);
  const std::vector<std::string> lines =
      absl::StrSplit((*process)->StderrText(), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 1u) << (*process)->StderrText();
  EXPECT_THAT(lines[0], HasSubstr("detail=not_tls"));
}

}  // namespace
}  // namespace tlsbridge::e2e
