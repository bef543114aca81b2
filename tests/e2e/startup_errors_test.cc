// What keeps the program from starting: exit code 2 and one line on standard error, which names the
// culprit and says how to mend it.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/certificates.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/temp_dir.h"
#include "tests/e2e/support/run_program.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class StartupErrorsTest : public testing::Test {
 protected:
  // Runs the sidecar with good flags, of which those in `changes` ("--cert", "x") are replaced;
  // an empty value leaves the flag out. The one line that it wrote, without the program's name.
  std::string Refusal(const std::vector<std::pair<std::string, std::string>>& changes,
                      const std::vector<std::string>& more = {}) {
    std::vector<std::pair<std::string, std::string>> flags = {{"--listen", "127.0.0.1:0"},
                                                              {"--backend", "127.0.0.1:8080"},
                                                              {"--cert", good_.certificate},
                                                              {"--key", good_.key}};
    for (const auto& [name, value] : changes) {
      const auto known = std::find_if(flags.begin(), flags.end(),
                                      [&name = name](const auto& f) { return f.first == name; });
      if (known == flags.end()) {
        flags.emplace_back(name, value);
      } else {
        known->second = value;
      }
    }
    std::vector<std::string> arguments = {"sidecar"};
    for (const auto& [name, value] : flags) {
      if (!value.empty()) arguments.push_back(absl::StrCat(name, "=", value));
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return OneLine(RunProgram(arguments));
  }

  static std::string OneLine(const ProgramResult& result) {
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(result.output, "");
    EXPECT_TRUE(absl::StartsWith(result.errors, "tlsbridge: ")) << result.errors;
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
    EXPECT_TRUE(absl::EndsWith(result.errors, "\n"));
    return result.errors;
  }

  TempDir dir_;
  Certificates authority_{dir_};
  CertificateFiles good_ = authority_.Issue();
};

TEST_F(StartupErrorsTest, APortInUseIsNamed) {
  TcpBackend other([](Socket&) {});
  EXPECT_THAT(Refusal({{"--listen", other.address()}}),
              AllOf(HasSubstr(other.address()), HasSubstr("in use"), HasSubstr("another address")));
}

TEST_F(StartupErrorsTest, AUnixSocketInUseIsNamedAndLeftAlone) {
  const std::string address = absl::StrCat("unix:", dir_.PathOf("socket"));
  TcpBackend other([](Socket& connection) { (void)connection.Write("alive"); }, address);
  EXPECT_THAT(Refusal({{"--listen", address}}), AllOf(HasSubstr(address), HasSubstr("in use")));
  auto client = Socket::Connect(address);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "alive");
}

TEST_F(StartupErrorsTest, AnOrdinaryFileIsNotReplacedByAUnixSocket) {
  const std::string path = dir_.WriteFile("precious", "content");
  EXPECT_THAT(Refusal({{"--listen", absl::StrCat("unix:", path)}}), HasSubstr(path));
  EXPECT_EQ(RunToEnd({"cat", path}).value_or("gone"), "content");
}

TEST_F(StartupErrorsTest, TheSameAddressTwiceIsNamed) {
  const std::string address = TcpBackend([](Socket&) {}).address();
  EXPECT_THAT(Refusal({{"--listen", address}}, {"--listen", address}), HasSubstr(address));
}

TEST_F(StartupErrorsTest, AnAddressOfAnotherMachineIsNamed) {
  EXPECT_THAT(Refusal({{"--listen", "192.0.2.1:8443"}}),
              AllOf(HasSubstr("192.0.2.1:8443"), HasSubstr("no interface")));
}

TEST_F(StartupErrorsTest, AFolderThatIsMissingIsNamed) {
  EXPECT_THAT(Refusal({{"--listen", "unix:/nonexistent/socket"}}),
              AllOf(HasSubstr("/nonexistent/socket"), HasSubstr("No such file")));
}

TEST_F(StartupErrorsTest, AMissingFileIsNamed) {
  const std::string missing = dir_.PathOf("missing.pem");
  EXPECT_THAT(Refusal({{"--cert", missing}}),
              AllOf(HasSubstr(missing),
                    EndsWith("No such file or directory; create it, or correct the path\n")));
  EXPECT_THAT(Refusal({{"--key", missing}}), AllOf(HasSubstr(missing), HasSubstr("No such file")));
}

TEST_F(StartupErrorsTest, AFileThatCannotBeReadIsNamed) {
  EXPECT_THAT(Refusal({{"--cert", dir_.path()}}),
              AllOf(HasSubstr(dir_.path()), HasSubstr("directory")));
  // Reading it at its start fails even for root.
  EXPECT_THAT(Refusal({{"--key", "/proc/self/mem"}}),
              AllOf(HasSubstr("/proc/self/mem"), HasSubstr("cannot be read")));
}

TEST_F(StartupErrorsTest, AFileThatHoldsSomethingElseIsNamed) {
  const std::string text = dir_.WriteFile("text", "no certificate\n");
  EXPECT_THAT(Refusal({{"--cert", text}}), AllOf(HasSubstr(text), HasSubstr("BEGIN CERTIFICATE")));
  EXPECT_THAT(Refusal({{"--key", text}}), AllOf(HasSubstr(text), HasSubstr("BEGIN PRIVATE KEY")));
  const std::string empty = dir_.WriteFile("empty", "");
  EXPECT_THAT(Refusal({{"--cert", empty}}), HasSubstr(empty));
  const std::string broken =
      dir_.WriteFile("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_THAT(Refusal({{"--cert", broken}}), AllOf(HasSubstr(broken), HasSubstr("parsed")));
}

TEST_F(StartupErrorsTest, CertificateAndKeyInEachOthersPlaceAreNamed) {
  EXPECT_THAT(Refusal({{"--cert", good_.key}, {"--key", good_.certificate}}),
              AllOf(HasSubstr(good_.key), HasSubstr("BEGIN CERTIFICATE")));
}

TEST_F(StartupErrorsTest, AnExpiredCertificateIsNamedWithItsDate) {
  const CertificateFiles expired = authority_.Issue({.name = "expired", .days = -1});
  EXPECT_THAT(Refusal({{"--cert", expired.certificate}, {"--key", expired.key}}),
              AllOf(HasSubstr(expired.certificate), HasSubstr("expired on 2"),
                    EndsWith(" UTC; renew it\n")));
}

TEST_F(StartupErrorsTest, AKeyOfAnotherCertificateIsNamed) {
  for (const KeyType type : {KeyType::kEcdsa, KeyType::kRsa}) {
    const CertificateFiles other = authority_.Issue({.name = "other", .key_type = type});
    EXPECT_THAT(Refusal({{"--key", other.key}}),
                AllOf(HasSubstr(other.key), HasSubstr(good_.certificate),
                      EndsWith("; use the key that it was issued for\n")));
  }
}

TEST_F(StartupErrorsTest, PeersOnAUnixSocketNeedOne) {
  EXPECT_THAT(Refusal({}, {"--proxy-from=unix"}),
              AllOf(HasSubstr("--proxy-from: unix"), HasSubstr("; add --listen unix:/PATH")));
}

TEST_F(StartupErrorsTest, ACommandThatIsMisspeltIsGuessed) {
  EXPECT_THAT(OneLine(RunProgram({"sidcar"})), HasSubstr("did you mean 'sidecar'?"));
}

TEST_F(StartupErrorsTest, AnEncryptedKeyIsNamed) {
  const std::string path = dir_.PathOf("encrypted.key");
  for (const std::vector<std::string>& form :
       {std::vector<std::string>{"pkcs8", "-topk8"}, std::vector<std::string>{"ec", "-aes256"}}) {
    std::vector<std::string> command = {"openssl"};
    command.insert(command.end(), form.begin(), form.end());
    command.insert(command.end(), {"-in", good_.key, "-out", path, "-passout", "pass:secret"});
    const auto made = RunToEnd(command);
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_THAT(Refusal({{"--key", path}}),
                AllOf(HasSubstr(path), HasSubstr("encrypted"), HasSubstr("to decrypt it")));
  }
}

TEST_F(StartupErrorsTest, AnAddressThatIsNoneIsNamedWithTheFormsThatAre) {
  for (const char* flag : {"--listen", "--backend"}) {
    for (const char* bad : {"nonsense", "127.0.0.1", "127.0.0.1:99999", "example.com:80", ":80",
                            "[::1", "::1:80", "unix:relative", "127.0.0.1:80:90"}) {
      EXPECT_THAT(
          Refusal({{flag, bad}}),
          AllOf(HasSubstr(flag), HasSubstr(absl::StrCat("'", bad, "'")), HasSubstr("HOST:PORT")));
    }
  }
  EXPECT_THAT(Refusal({{"--backend", "127.0.0.1:0"}}), HasSubstr("--backend"));
}

TEST_F(StartupErrorsTest, ABackendOnAnotherMachineMustBeAllowed) {
  EXPECT_THAT(Refusal({{"--backend", "192.0.2.1:80"}}),
              AllOf(HasSubstr("192.0.2.1:80"), HasSubstr("--unsafe-backend")));
  // With leave, the next mistake is the one that is told.
  EXPECT_THAT(Refusal({{"--backend", "192.0.2.1:80"}, {"--cert", ""}}, {"--unsafe-backend"}),
              HasSubstr("--cert is missing"));
}

TEST_F(StartupErrorsTest, AMissingFlagIsNamedWithAnExample) {
  for (const char* flag : {"--listen", "--backend", "--cert", "--key"}) {
    EXPECT_THAT(Refusal({{flag, ""}}),
                AllOf(HasSubstr(absl::StrCat(flag, " is missing; for example ", flag, " "))));
  }
}

TEST_F(StartupErrorsTest, AnUnknownFlagIsNamedWithTheOneThatWasMeant) {
  EXPECT_THAT(Refusal({}, {"--max-connection=5"}),
              AllOf(HasSubstr("--max-connection"), HasSubstr("did you mean --max-connections?")));
  EXPECT_THAT(Refusal({}, {"--nonsense"}),
              AllOf(HasSubstr("unknown flag --nonsense"), HasSubstr("--help")));
  EXPECT_THAT(Refusal({}, {"positional"}), HasSubstr("'positional'"));
  EXPECT_THAT(Refusal({}, {"--drain-timeout"}), HasSubstr("--drain-timeout needs a value"));
  EXPECT_THAT(Refusal({}, {"--no-backend"}), HasSubstr("--backend"));
}

TEST_F(StartupErrorsTest, AValueThatIsNotAllowedIsNamedWithThoseThatAre) {
  const std::vector<std::vector<std::string>> cases = {
      {"--handshake-timeout", "soon", "30s"},
      {"--handshake-timeout", "0", "1ms or more"},
      {"--connect-timeout", "-1s", "1ms or more"},
      {"--initial-data-timeout", "5", "30s"},
      {"--inactivity-timeout", "-1s", "0 or more"},
      {"--half-close-timeout", "-1s", "0 or more"},
      {"--max-lifetime", "-1h", "0 or more"},
      {"--close-grace", "0", "1ms or more"},
      {"--tcp-keepalive", "-1s", "0 or more"},
      {"--tcp-user-timeout", "x", "30s"},
      {"--drain-delay", "-1s", "0 or more"},
      {"--drain-timeout", "-1s", "0 or more"},
      {"--keep-alive", "sometimes", "immortal"},
      {"--keep-alive-multiplier", "0.5", "from 1 to 1000"},
      {"--keep-alive-multiplier", "nan", "from 1 to 1000"},
      {"--truncation", "ignore", "reset or fin"},
      {"--backend-truncation", "ignore", "reset or fin"},
      {"--max-connections", "-1", "0 or more"},
      {"--max-connections", "many", "number of connections, 0 or more"},
      {"--max-connections-per-ip", "-1", "0 or more"},
      {"--max-new-per-ip-per-minute", "1.5", "number of connections, 0 or more"},
      {"--max-handshakes", "-1", "0 or more"},
      {"--max-handshakes-per-ip", "-1", "0 or more"},
      {"--log-level", "chatty", "warning"},
      {"--log-format", "xml", "text or json"},
      {"--unsafe-backend", "perhaps", "true or false"},
  };
  for (const auto& one : cases) {
    const std::string& flag = one[0];
    // What else it needs, so that the value is the only mistake.
    std::vector<std::string> more;
    if (flag == "--keep-alive-multiplier") more = {"--keep-alive=extended"};
    if (flag == "--backend-truncation") more = {"--backend-ca=system", "--backend-name=orders"};
    EXPECT_THAT(Refusal({{flag, one[1]}}, more),
                AllOf(HasSubstr(flag), HasSubstr(one[1]), HasSubstr(one[2])));
  }
}

TEST_F(StartupErrorsTest, TheTruncationOfABackendThatSpeaksNoTlsIsAContradiction) {
  EXPECT_THAT(Refusal({{"--backend-truncation", "fin"}}),
              AllOf(HasSubstr("--backend-truncation needs --backend-ca")));
}

TEST_F(StartupErrorsTest, AValueWithANewlineStillMakesOneLine) {
  Refusal({{"--cert", "a\nb"}});
  Refusal({{"--backend", "a\nb"}});
  Refusal({}, {"--un\nknown"});
}

TEST_F(StartupErrorsTest, AnUnknownCommandIsNamed) {
  EXPECT_THAT(OneLine(RunProgram({"serve"})), AllOf(HasSubstr("'serve'"), HasSubstr("sidecar")));
  EXPECT_THAT(OneLine(RunProgram({"demo", "--backend", "127.0.0.1:80"})), HasSubstr("--backend"));
}

}  // namespace
}  // namespace tlsbridge::e2e
