// --help and --version, and that help tells the truth: every flag that it lists is taken.

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/listed_flags.h"
#include "tests/e2e/support/run_program.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(HelpTest, TheProgramTellsItsCommandsSignalsAndExitCodes) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"-h"}, {"help"}, {}}) {
    const ProgramResult result = RunProgram(arguments);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.errors, "");
    EXPECT_THAT(result.output, AllOf(HasSubstr("tlsbridge demo"), HasSubstr("tlsbridge sidecar"),
                                     HasSubstr("SIGTERM"), HasSubstr("Exit codes"),
                                     HasSubstr("NOTIFY_SOCKET"), HasSubstr("/etc/resolv.conf")));
  }
}

TEST(HelpTest, EachCommandTellsItsFlags) {
  for (const char* command : {"sidecar", "demo"}) {
    const ProgramResult result = RunProgram({command, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.errors, "");
    EXPECT_THAT(result.output, AllOf(HasSubstr("--listen"), HasSubstr("--drain-timeout"),
                                     HasSubstr(absl::StrCat("tlsbridge ", command))));
    EXPECT_GT(ListedFlags(result.output).size(), 15u);
  }
  EXPECT_EQ(RunProgram({"sidecar", "--help"}).output.find("demo"), std::string::npos);
  EXPECT_EQ(RunProgram({"demo", "--help"}).output.find("\n  --cert"), std::string::npos);
}

TEST(HelpTest, HelpWinsOverMistakesBesideIt) {
  const ProgramResult result = RunProgram({"sidecar", "--nonsense", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, HasSubstr("--listen"));
}

TEST(HelpTest, VersionNamesTheProgramAndItsLibraries) {
  for (const char* argument : {"--version", "version"}) {
    const ProgramResult result = RunProgram({argument});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.errors, "");
    EXPECT_THAT(result.output, AllOf(ContainsRegex("^tlsbridge [0-9]+\\.[0-9]+\\.[0-9]+\n"),
                                     ContainsRegex("\nBoringSSL .*[0-9]+"),
                                     ContainsRegex("\nlibevent 2\\.[0-9]+")));
  }
}

TEST(HelpTest, VerboseVersionNamesEverythingThatIsLinkedIn) {
  const ProgramResult result = RunProgram({"--version", "--verbose"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, StartsWith(RunProgram({"--version"}).output));
  for (const char* library : {"BoringSSL", "abseil", "c-ares", "fmt", "libevent", "nlohmann-json",
                              "spdlog", "yaml-cpp"}) {
    EXPECT_THAT(result.output,
                ContainsRegex(absl::StrCat("\n", library, " [0-9:]*[0-9]+\\.[0-9]+")));
  }
  EXPECT_EQ(RunProgram({"--version", "--all"}).exit_code, 2);
}

class ListedFlagsTest : public TlsbridgeTest {};

TEST_F(ListedFlagsTest, AreAllAcceptedWithTheDefaultsThatHelpShows) {
  HttpBackend backend;
  // Those that have no default to show, or contradict another's. The harness gives those that are
  // empty here, or they need files or a backend that only the tests of their effect have.
  const std::map<std::string, std::string> values = {
      {"--listen", ""},
      {"--backend", ""},
      {"--cert", ""},
      {"--key", ""},
      {"--log-format", ""},
      {"--unsafe-backend", "true"},
      {"--proxy-from", "192.0.2.0/24"},
      {"--deny-client-ip", "192.0.2.0/24"},
      {"--allow-client-ip", "127.0.0.0/8"},
      {"--backend-sni", ""},
      {"--backend-alpn", ""},
      {"--health-check-kind", "send-expect"},
      {"--health-check-send", "GET / HTTP/1.0\r\n\r\n"},
      {"--health-check-expect", "HTTP/1."},
      {"--keep-alive", "extended"},
      {"--dns-ttl-floor", ""},
      {"--dns-ttl-ceiling", ""},
      {"--dns-forget-after", ""},
      {"--dns-servers", ""},
      {"--ocsp", ""},
      {"--refuse-unknown-sni", "true"},
      {"--alpn", "http/1.1"},
      {"--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"},
      {"--groups", "X25519:P-256"},
      {"--client-crl", ""},
      {"--observe-only", "true"},
      {"--listen-name", "web"},
      {"--core-dumps", "true"},
      {"--exit-with", "idle:1h"},
      {"--user", ""},
      {"--log-starts", "true"},
      {"--backend-ca", ""},
      {"--backend-name", ""},
      {"--backend-cert", ""},
      {"--backend-key", ""},
      {"--backend-truncation", ""},
      {"--backend-insecure", "false"},
      {"--client-ca", certificates().authority_certificate()},
      {"--client-cert", "optional"},
      {"--allow-cn", "name"},
      {"--allow-ou", "unit"},
      {"--allow-dns", "*.example.com"},
      {"--allow-ip", "192.0.2.1"},
      {"--allow-uri", "spiffe://example/**"},
      {"--allow-spki", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
      {"--admin-listen", absl::StrCat("unix:", dir().PathOf("admin"))},
      {"--metrics-listen", absl::StrCat("unix:", dir().PathOf("metrics"))},
  };
  std::vector<std::string> arguments;
  for (const ListedFlag& flag : ListedFlags(RunProgram({"sidecar", "--help"}).output)) {
    const auto known = values.find(flag.name);
    const std::string& value = known == values.end() ? flag.default_value : known->second;
    if (!value.empty()) arguments.push_back(absl::StrCat(flag.name, "=", value));
    EXPECT_TRUE(!value.empty() || known != values.end()) << flag.name << " needs a value here";
  }
  ASSERT_GT(arguments.size(), 15u);
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address(), arguments));
  EXPECT_EQ(Curl(certificates().authority_certificate(), {UrlOf(tlsbridge(), "/")}).exit_code, 0);
}

TEST_F(ListedFlagsTest, TakeTheirLargestValues) {
  HttpBackend backend;
  std::vector<std::string> arguments;
  for (const char* flag :
       {"handshake-timeout", "connect-timeout", "initial-data-timeout", "inactivity-timeout",
        "half-close-timeout", "max-lifetime", "keep-alive-warning", "close-grace", "tcp-keepalive",
        "tcp-user-timeout", "drain-timeout"}) {
    arguments.push_back(absl::StrCat("--", flag, "=87600h"));
  }
  for (const char* flag : {"max-connections", "max-connections-per-ip", "max-new-per-ip-per-minute",
                           "max-handshakes", "max-handshakes-per-ip"}) {
    arguments.push_back(absl::StrCat("--", flag, "=9223372036854775807"));
  }
  arguments.insert(arguments.end(), {"--keep-alive=extended", "--keep-alive-multiplier=1000"});
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address(), arguments));
  EXPECT_EQ(Curl(certificates().authority_certificate(), {UrlOf(tlsbridge(), "/")}).exit_code, 0);
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_TRUE(tlsbridge().WaitForEvent("terminating")) << "the line is no JSON";
}

}  // namespace
}  // namespace tlsbridge::e2e
