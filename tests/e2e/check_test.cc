// `tlsbridge check` from outside: exit codes, and what goes to which output.

#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/certificates.h"
#include "tests/e2e/harness/temp_dir.h"
#include "tests/e2e/support/authority_files.h"
#include "tests/e2e/support/run_program.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kGood[] =
    "listeners: [{address: \"127.0.0.1:8443\"}]\n"
    "routes:\n"
    "  - name: main\n"
    "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
    "    backends: [{address: \"127.0.0.1:8080\"}]\n";

class CheckTest : public testing::Test {
 protected:
  ProgramResult Check(const std::string& yaml) {
    return RunProgram({"check", "--config", dir_.WriteFile("some.yaml", yaml)});
  }

  TempDir dir_;
};

TEST_F(CheckTest, AGoodFileIsCounted) {
  const Certificates certificates(dir_);
  certificates.Issue();
  const ProgramResult result = Check(kGood);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_EQ(result.output, "ok: 1 listener, 1 route, 1 backend, 1 certificate\n");
  EXPECT_EQ(result.errors, "");
}

TEST_F(CheckTest, EveryMistakeIsALineWithItsPosition) {
  const Certificates certificates(dir_);
  certificates.Issue();
  const ProgramResult result = Check(absl::StrCat(kGood, "    colour: red\nlog: {level: loud}\n"));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.errors, HasSubstr("some.yaml:6:5: "));
  EXPECT_THAT(result.errors, HasSubstr("'colour'"));
  EXPECT_THAT(result.errors, HasSubstr("some.yaml:7:14: "));
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 2);
}

TEST_F(CheckTest, FilesThatAreMissingAreMistakesWhereTheyAreNamed) {
  const ProgramResult result = Check(kGood);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, HasSubstr("some.yaml:4:"));
  EXPECT_THAT(result.errors, HasSubstr("localhost.crt"));
}

TEST_F(CheckTest, WhatIsWrongInTheFilesIsToldWhereTheyAreNamedAllAtOnce) {
  const Certificates certificates(dir_);
  const CertificateFiles one = certificates.Issue();
  const CertificateFiles other = certificates.Issue({.name = "other"});
  dir_.WriteFile("short.secret", "0123456789ab");
  dir_.WriteFile("garbage.pem", "hello");
  const std::string yaml =
      "listeners: [{address: \"127.0.0.1:8443\"}]\n"
      "routes:\n"
      "  - name: main\n"
      "    match: {domains: [one.internal]}\n"
      "    tls:\n"
      "      certificates:\n"
      "        - {cert: other.crt, key: other.key}\n"
      "        - {cert: localhost.crt, key: other.key}\n"
      "      client_auth: {mode: required, ca: garbage.pem}\n"
      "      tickets: {mode: shared, file: short.secret}\n"
      "    backends: [{address: \"127.0.0.1:8080\"}]\n"
      "  - name: second\n"
      "    match: {domains: [two.internal]}\n"
      "    tls:\n"
      "      certificates: [{cert: other.crt, key: localhost.key}]\n"
      "    backends: [{address: \"127.0.0.1:8080\"}]\n";
  const ProgramResult result = Check(yaml);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.errors, HasSubstr("some.yaml:8:"));
  EXPECT_THAT(result.errors, HasSubstr("routes[0].tls.certificates[1].key: "));
  EXPECT_THAT(result.errors, HasSubstr("some.yaml:9:"));
  EXPECT_THAT(result.errors, HasSubstr("routes[0].tls.client_auth.ca: "));
  EXPECT_THAT(result.errors, HasSubstr("routes[0].tls.tickets.file: "));
  EXPECT_THAT(result.errors, HasSubstr("routes[1].tls.certificates[0].key: "));
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 4) << result.errors;

  const ProgramResult run = RunProgram({"run", "--config", dir_.PathOf("some.yaml")});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("some.yaml:8:"));
  EXPECT_THAT(run.errors, HasSubstr("routes[1].tls.certificates[0].key: "));
  EXPECT_EQ(std::count(run.errors.begin(), run.errors.end(), '\n'), 1) << run.errors;
}

// What is wrong in one place hides nothing in another.
TEST_F(CheckTest, FilesAreJudgedWhateverElseIsWrong) {
  const Certificates certificates(dir_);
  certificates.Issue();
  const CertificateFiles old = certificates.Issue({.name = "old"});
  AuthorityFiles(dir_, "ca").Reissue(old, "20200101000000Z", "20200201000000Z");
  const ProgramResult result = Check(
      "listeners: [{address: \"127.0.0.1:8443\"}]\n"
      "routes:\n"
      "  - name: main\n"
      "    match: {domains: [one.internal]}\n"
      "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
      "    backends: [{address: \"127.0.0.1:8080\"}]\n"
      "    balance: fast\n"
      "  - name: second\n"
      "    match: {domains: [two.internal]}\n"
      "    colour: red\n"
      "    tls:\n"
      "      certificates:\n"
      "        - {cert: old.crt, key: old.key}\n"
      "        - {cert: localhost.crt, kye: old.key}\n"
      "        - {cert: missing.crt, key: old.key}\n"
      "      min_version: 1.9\n"
      "      client_auth: {mode: required, ca: localhost.key}\n"
      "    backends: [{address: \"10.0.0.1:8080\"}]\n");
  EXPECT_EQ(result.exit_code, 2);
  for (const char* part :
       {"some.yaml:7:14: routes[0].balance: ", "some.yaml:10:5: routes[1]: unknown key 'colour'",
        "some.yaml:13:18: routes[1].tls.certificates[0].cert: ", "expired",
        "some.yaml:14:33: routes[1].tls.certificates[1]: unknown key 'kye'",
        "some.yaml:14:38: routes[1].tls.certificates[1].key: ",
        "some.yaml:15:18: routes[1].tls.certificates[2].cert: cannot read ",
        "some.yaml:16:20: routes[1].tls.min_version: ",
        "some.yaml:17:41: routes[1].tls.client_auth.ca: ",
        "some.yaml:18:26: routes[1].backends[0].address: "}) {
    EXPECT_THAT(result.errors, HasSubstr(part));
  }
  EXPECT_THAT(result.errors,
              HasSubstr("some.yaml:4:23: warning: routes[0].match.domains[0]: no certificate"));
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 10) << result.errors;
  EXPECT_EQ(RunProgram({"run", "--config", dir_.PathOf("some.yaml")}).exit_code, 2);
}

TEST_F(CheckTest, WhatIsOddIsAWarningWithItsPosition) {
  const Certificates certificates(dir_);
  const CertificateFiles files = certificates.Issue();
  ASSERT_EQ(chmod(files.key.c_str(), 0644), 0);
  const ProgramResult result = Check(kGood);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.errors,
              HasSubstr("some.yaml:4:53: warning: routes[0].tls.certificates[0].key: "));
  EXPECT_THAT(result.errors, HasSubstr("localhost.key"));
}

TEST_F(CheckTest, ACertificateThatCannotFitItsRouteIsOdd) {
  const Certificates certificates(dir_);
  certificates.Issue();
  certificates.Issue({.name = "star", .alt_names = {"DNS:*.wild.internal"}});
  const auto warnings = [this](const std::string& domain) {
    return Check(absl::StrCat("listeners: [{address: \"127.0.0.1:8443\"}]\n"
                              "routes:\n"
                              "  - name: main\n"
                              "    match: {domains: [localhost, \"",
                              domain,
                              "\"]}\n"
                              "    tls:\n"
                              "      certificates:\n"
                              "        - {cert: localhost.crt, key: localhost.key}\n"
                              "        - {cert: star.crt, key: star.key}\n"
                              "    backends: [{address: \"127.0.0.1:8080\"}]\n"))
        .errors;
  };
  EXPECT_EQ(warnings("a.wild.internal"), "");
  EXPECT_EQ(warnings("*.wild.internal"), "");
  EXPECT_EQ(warnings("*"), "");
  EXPECT_THAT(warnings("a.b.wild.internal"), HasSubstr("covers a.b.wild.internal;"));
  EXPECT_THAT(warnings("wild.internal"), HasSubstr("covers wild.internal;"));
  EXPECT_THAT(warnings("*.other.internal"), HasSubstr("covers *.other.internal;"));
}

TEST_F(CheckTest, RulesForTheKernelAreThoseOfAFileWithSuchRoutes) {
  Certificates(dir_).Issue();
  const ProgramResult none =
      RunProgram({"check", "--kernel-rules", "--config", dir_.WriteFile("some.yaml", kGood)});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_EQ(none.output, "");
  EXPECT_THAT(none.errors, HasSubstr("no route has forwarding_engine: nftables"));
  const ProgramResult alone = RunProgram({"check", "--kernel-rules", "--reference"});
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_EQ(alone.output, "");
  EXPECT_THAT(alone.errors, HasSubstr("--kernel-rules needs --config FILE"));
}

TEST_F(CheckTest, FilesMayBeNamedByTheEnvironment) {
  const Certificates certificates(dir_);
  certificates.Issue();
  std::string yaml = kGood;
  yaml.replace(yaml.find("localhost.key"), 13, "\"${KEYS}/localhost.key\"");
  const std::string file = dir_.WriteFile("some.yaml", yaml);
  EXPECT_EQ(RunProgram({"check", "--config", file}, {{"KEYS", dir_.path()}}).exit_code, 0);
  const ProgramResult unset = RunProgram({"check", "--config", file});
  EXPECT_EQ(unset.exit_code, 2);
  EXPECT_THAT(unset.errors, HasSubstr("KEYS"));
}

TEST_F(CheckTest, AFileThatIsMissingIsNamed) {
  const ProgramResult result = RunProgram({"check", "--config", dir_.PathOf("none.yaml")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, HasSubstr("none.yaml"));
}

TEST_F(CheckTest, RunRefusesWhatCheckRefuses) {
  const std::string file = dir_.WriteFile("some.yaml", absl::StrCat(kGood, "    colour: red\n"));
  const ProgramResult checked = RunProgram({"check", "--config", file});
  const ProgramResult run = RunProgram({"run", "--config", file});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.errors, checked.errors);
}

TEST_F(CheckTest, TheJsonSchemaIsJson) {
  const ProgramResult result = RunProgram({"check", "--json-schema"});
  EXPECT_EQ(result.exit_code, 0);
  const auto schema = nlohmann::json::parse(result.output, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(schema.is_object());
  EXPECT_TRUE(schema["properties"].contains("routes"));
}

TEST_F(CheckTest, TheReferenceIsAPage) {
  const ProgramResult result = RunProgram({"check", "--reference"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, StartsWith("# The configuration file\n"));
  EXPECT_THAT(result.output, HasSubstr("| `send_proxy_protocol` |"));
}

TEST_F(CheckTest, NothingOrTwoThingsToDoAreRefused) {
  EXPECT_EQ(RunProgram({"check"}).exit_code, 2);
  EXPECT_EQ(RunProgram({"check", "--reference", "--json-schema"}).exit_code, 2);
}

}  // namespace
}  // namespace tlsbridge::e2e
