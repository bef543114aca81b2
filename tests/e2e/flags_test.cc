// T18: a flag that is accepted and ignored. Walks over every flag that the sidecar lists, so that a
// new one cannot be forgotten here.

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/certificates.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/temp_dir.h"
#include "tests/e2e/support/listed_flags.h"
#include "tests/e2e/support/run_program.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

std::vector<ListedFlag> SidecarFlags() {
  return ListedFlags(RunProgram({"sidecar", "--help"}).output);
}

TEST(Traps, T18_EveryFlagRefusesWhatItCannotHonour) {
  const std::map<std::string, std::string> impossible = {
      {"--listen", "nowhere"},
      {"--backend", "nowhere"},
      {"--cert", "/nonexistent/file"},
      {"--key", "/nonexistent/file"},
      {"--proxy-from", "somewhere"},
      {"--unsafe-backend", "perhaps"},
      {"--send-proxy", "v3"},
      {"--ocsp", "/nonexistent/file"},
      {"--refuse-unknown-sni", "perhaps"},
      {"--alpn", "h 2"},
      {"--min-tls", "1.1"},
      {"--max-tls", "1.4"},
      {"--ciphers", "NO-SUCH-CIPHER"},
      {"--groups", "NO-SUCH-GROUP"},
      {"--tickets", "sometimes"},
      {"--client-ca", "/nonexistent/file"},
      {"--client-cert", "sometimes"},
      {"--client-crl", "/nonexistent/file"},
      {"--observe-only", "perhaps"},
      {"--allow-cn", ""},
      {"--allow-ou", ""},
      {"--allow-dns", "*"},
      {"--allow-ip", "300.1.2.3"},
      {"--allow-uri", "no scheme"},
      {"--allow-spki", "tooshort"},
      {"--backend-ca", "/nonexistent/file"},
      {"--backend-name", "no name"},
      {"--backend-cert", "/nonexistent/file"},
      {"--backend-key", "/nonexistent/file"},
      {"--backend-insecure", "perhaps"},
      {"--handshake-timeout", "0"},
      {"--connect-timeout", "0"},
      {"--connect-attempts", "0"},
      {"--initial-data-timeout", "-1s"},
      {"--inactivity-timeout", "-1s"},
      {"--half-close-timeout", "-1s"},
      {"--max-lifetime", "-1s"},
      {"--keep-alive", "sometimes"},
      {"--keep-alive-multiplier", "0.5"},
      {"--keep-alive-warning", "-1s"},
      {"--close-grace", "0"},
      {"--tcp-keepalive", "-1s"},
      {"--tcp-user-timeout", "-1s"},
      {"--truncation", "ignore"},
      {"--backend-truncation", "ignore"},
      {"--max-connections", "-1"},
      {"--max-connections-per-ip", "-1"},
      {"--max-new-per-ip-per-minute", "-1"},
      {"--max-handshakes", "-1"},
      {"--max-handshakes-per-ip", "-1"},
      {"--drain-delay", "-1s"},
      {"--drain-timeout", "-1s"},
      {"--workers", "-1"},
      {"--watch-files", "perhaps"},
      {"--core-dumps", "perhaps"},
      {"--exit-with", "idle:never"},
      {"--admin-listen", "0.0.0.0:9901"},
      {"--metrics-listen", "nowhere"},
      {"--log-level", "chatty"},
      {"--log-format", "xml"},
  };
  const TempDir dir;
  const Certificates authority(dir);
  const CertificateFiles files = authority.Issue();
  for (const ListedFlag& flag : SidecarFlags()) {
    const auto known = impossible.find(flag.name);
    // A key of the file by its own name: the table of keys says what it refuses.
    const std::string value = known == impossible.end() ? "no such value" : known->second;
    std::map<std::string, std::string> flags = {{"--listen", "127.0.0.1:0"},
                                                {"--backend", "127.0.0.1:8080"},
                                                {"--cert", files.certificate},
                                                {"--key", files.key}};
    if (absl::StartsWith(flag.name, "--allow-") || absl::StartsWith(flag.name, "--client-c")) {
      flags["--client-ca"] = authority.authority_certificate();
    }
    if (absl::StartsWith(flag.name, "--backend-")) {
      flags["--backend-ca"] = authority.authority_certificate();
      flags["--backend-name"] = "localhost";
      flags["--backend-cert"] = files.certificate;
      flags["--backend-key"] = files.key;
    }
    flags[flag.name] = value;
    std::vector<std::string> arguments = {"sidecar"};
    for (const auto& [name, value] : flags) arguments.push_back(absl::StrCat(name, "=", value));
    const ProgramResult result = RunProgram(arguments);
    EXPECT_EQ(result.exit_code, 2) << flag.name << "=" << value << ": " << result.errors;
    EXPECT_THAT(result.errors, HasSubstr(known == impossible.end() ? flag.name : value))
        << flag.name;
  }
}

TEST(Traps, T18_EveryFlagIsSetByATestOfItsEffect) {
  // All but those that are about flags in general.
  const std::string sources =
      RunToEnd({"sh", "-c",
                "cat $(ls tests/e2e/*.cc tests/e2e/harness/*.cc | "
                "grep -v -e flags_test -e help_test -e startup_errors_test)"})
          .value_or("");
  // Those that are keys by their own names make the same configuration as a file with the key
  // (tests/tools/sidecar_flags_test), whose effect is tested as the key's.
  const std::string keys = RunProgram({"check", "--json-schema"}).output;
  const auto is_a_key = [&keys](const std::string& flag) {
    const absl::string_view name = absl::string_view(flag).substr(2);
    for (const char* mapping : {"", "health_check", "ejection", "dns", "tcp"}) {
      absl::string_view key = name;
      const std::string prefix = absl::StrReplaceAll(mapping, {{"_", "-"}});
      if (!absl::ConsumePrefix(&key, prefix)) continue;
      absl::ConsumePrefix(&key, "-");
      if (absl::StrContains(keys,
                            absl::StrCat("\"", absl::StrReplaceAll(key, {{"-", "_"}}), "\": {")))
        return true;
    }
    return false;
  };
  for (const ListedFlag& flag : SidecarFlags()) {
    if (is_a_key(flag.name)) continue;
    EXPECT_TRUE(absl::StrContains(sources, absl::StrCat("\"", flag.name, "\"")) ||
                absl::StrContains(sources, absl::StrCat("\"", flag.name, "=")))
        << flag.name << " is set by no test";
  }
}

}  // namespace
}  // namespace tlsbridge::e2e
