// The demonstration: what it prints works as it stands, and nothing is left behind.

#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/run_program.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DemoTest : public TlsbridgeTest {
 protected:
  void Start(const std::string& listen) {
    StartTlsbridge({.subcommand = "demo",
                    .listen = {listen},
                    .arguments = {},
                    .environment = {{"TMPDIR", dir().path()}}});
  }
  // The line of its output that is to be typed.
  std::string PrintedCommand() {
    for (const absl::string_view line : absl::StrSplit(tlsbridge().process().StdoutText(), '\n')) {
      if (absl::StartsWith(line, "  curl ")) return std::string(line.substr(2));
    }
    return "";
  }
  // All files below the test's folder, by path.
  std::vector<std::string> Files() {
    const auto found = RunToEnd({"find", dir().path(), "-mindepth", "1"});
    EXPECT_TRUE(found.ok()) << found.status();
    return absl::StrSplit(found.value_or(""), '\n', absl::SkipEmpty());
  }
  void ExpectThePrintedCommandToWork() {
    const std::string command = PrintedCommand();
    ASSERT_NE(command, "") << tlsbridge().process().StdoutText();
    const auto output = RunToEnd({"sh", "-c", command + " --silent --show-error --noproxy '*'"});
    ASSERT_TRUE(output.ok()) << output.status();
    EXPECT_THAT(*output, HasSubstr("Hello from the backend"));
    EXPECT_THAT(*output, HasSubstr("GET /hello"));
  }
};

TEST_F(DemoTest, ThePrintedCommandWorks) {
  ASSERT_NO_FATAL_FAILURE(Start("127.0.0.1:0"));
  ExpectThePrintedCommandToWork();
}

TEST_F(DemoTest, ThePrintedCommandWorksForAListenerOnAllAddresses) {
  // The certificate is for localhost, not for 0.0.0.0.
  ASSERT_NO_FATAL_FAILURE(Start("0.0.0.0:0"));
  ExpectThePrintedCommandToWork();
}

TEST_F(DemoTest, ThePrintedCommandWorksForAnAddressThatTheCertificateDoesNotName) {
  ASSERT_NO_FATAL_FAILURE(Start("127.0.0.2:0"));
  ExpectThePrintedCommandToWork();
}

TEST_F(DemoTest, ThePrintedCommandWorksForIpv6) {
  ASSERT_NO_FATAL_FAILURE(Start("[::1]:0"));
  ExpectThePrintedCommandToWork();
}

TEST_F(DemoTest, ThePrintedCommandWorksForAUnixSocket) {
  ASSERT_NO_FATAL_FAILURE(Start(absl::StrCat("unix:", dir().PathOf("demo.sock"))));
  ExpectThePrintedCommandToWork();
}

TEST_F(DemoTest, NoKeyIsEverWrittenAndNothingIsLeft) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ASSERT_NO_FATAL_FAILURE(Start("127.0.0.1:0"));
    const std::vector<std::string> files = Files();
    ASSERT_EQ(files.size(), 2u) << "a folder and the CA's certificate";
    const auto content = RunToEnd({"cat", files[1]});
    ASSERT_TRUE(content.ok()) << content.status();
    EXPECT_THAT(*content, HasSubstr("BEGIN CERTIFICATE"));
    EXPECT_THAT(*content, Not(HasSubstr("PRIVATE")));
    tlsbridge().process().SendSignal(signal);
    EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
    EXPECT_THAT(Files(), IsEmpty());
  }
}

TEST_F(DemoTest, TwoDemosTrustDifferentAuthorities) {
  ASSERT_NO_FATAL_FAILURE(Start("127.0.0.1:0"));
  const std::string first = RunToEnd({"cat", Files()[1]}).value_or("");
  EXPECT_EQ(tlsbridge().Stop(), 0);
  ASSERT_NO_FATAL_FAILURE(Start("127.0.0.1:0"));
  EXPECT_NE(RunToEnd({"cat", Files()[1]}).value_or(""), first);
}

TEST_F(DemoTest, APortInUseIsNamedAndNothingIsLeft) {
  TcpBackend other([](Socket&) {});
  const ProgramResult result =
      RunProgram({"demo", "--listen", other.address()}, {{"TMPDIR", dir().path()}});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.errors, HasSubstr(other.address()));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(DemoTest, AFolderThatIsMissingIsNamed) {
  const ProgramResult result = RunProgram({"demo"}, {{"TMPDIR", "/nonexistent"}});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace tlsbridge::e2e
