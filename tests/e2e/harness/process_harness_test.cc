#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/e2e/harness/certificates.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/temp_dir.h"

namespace tlsbridge::e2e {
namespace {

absl::StatusOr<std::unique_ptr<Process>> Shell(const std::string& script) {
  return Process::Start({.argv = {"/bin/sh", "-c", script}, .environment = {{"WORD", "hello"}}});
}

TEST(ProcessTest, CapturesOutputAndExitCode) {
  auto process = Shell("echo $WORD; echo oops >&2; exit 3");
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->WaitForExit(), 3);
  EXPECT_EQ((*process)->StdoutText(), "hello\n");
  EXPECT_EQ((*process)->StderrText(), "oops\n");
  EXPECT_EQ((*process)->WaitForExit(), 3) << "a second wait says the same";
}

TEST(ProcessTest, CapturesMoreThanAPipeHolds) {
  auto process = Shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2");
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->WaitForExit(), 0);
  EXPECT_EQ((*process)->StdoutText().size(), 1'000'000u);
  EXPECT_EQ((*process)->StderrText().size(), 1'000'000u);
}

TEST(ProcessTest, ReportsEveryLineAndTheEnd) {
  std::vector<std::string> lines;
  bool ended = false;
  auto process = Process::Start({.argv = {"/bin/sh", "-c", "printf 'a\\n\\nb' >&2"},
                                 .environment = {},
                                 .on_stderr_line = [&](auto line) { lines.emplace_back(line); },
                                 .on_output_end = [&] { ended = true; }});
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->WaitForExit(), 0);
  EXPECT_EQ(lines, (std::vector<std::string>{"a", "", "b"}));
  EXPECT_TRUE(ended);
}

TEST(ProcessTest, WaitMeetsItsDeadline) {
  auto process = Process::Start({.argv = {"cat", "/dev/zero"}});
  ASSERT_TRUE(process.ok()) << process.status();
  (*process)->SendSignal(SIGSTOP);
  EXPECT_EQ((*process)->WaitForExit(absl::Milliseconds(1)), std::nullopt);
}

TEST(ProcessTest, SignalEndsIt) {
  auto process = Process::Start({.argv = {"tail", "-f", "/dev/null"}});
  ASSERT_TRUE(process.ok()) << process.status();
  (*process)->SendSignal(SIGTERM);
  EXPECT_EQ((*process)->WaitForExit(), 128 + SIGTERM);
}

TEST(ProcessTest, DestructorKillsIt) {
  auto process = Process::Start({.argv = {"tail", "-f", "/dev/null"}});
  ASSERT_TRUE(process.ok()) << process.status();
  const pid_t pid = (*process)->pid();
  process->reset();
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(ProcessTest, DoesNotWaitForTheEndOfGrandchildren) {
  TempDir dir;
  auto process = Shell("tail -f /dev/null & echo $!");
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->WaitForExit(), 0);
  kill(std::stoi((*process)->StdoutText()), SIGKILL);
}

TEST(ProcessTest, SaysWhyItCannotStart) {
  const auto process = Process::Start({.argv = {"/nonexistent/program"}});
  EXPECT_NE(process.status().message().find("/nonexistent/program"), std::string::npos);
}

TEST(TempDirTest, IsGoneWithAllThatIsInIt) {
  std::string path;
  {
    TempDir dir;
    path = dir.path();
    EXPECT_EQ(RunToEnd({"cat", dir.WriteFile("a", "text")}).value(), "text");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

class CertificatesTest : public testing::TestWithParam<KeyType> {};

TEST_P(CertificatesTest, LeafVerifiesAgainstItsAuthorityAndHasItsNames) {
  TempDir dir;
  const Certificates certificates(dir, "ca", GetParam());
  const CertificateFiles files =
      certificates.Issue({.name = "leaf",
                          .key_type = GetParam(),
                          .alt_names = {"DNS:orders.internal", "URI:spiffe://internal/orders"}});
  const auto verified =
      RunToEnd({"openssl", "verify", "-CAfile", certificates.authority_certificate(),
                "-verify_hostname", "orders.internal", files.certificate});
  EXPECT_TRUE(verified.ok()) << verified.status();
  const auto text = RunToEnd({"openssl", "x509", "-in", files.certificate, "-noout", "-text"});
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_NE(text->find("URI:spiffe://internal/orders"), std::string::npos);
  EXPECT_NE(text->find(GetParam() == KeyType::kRsa ? "rsaEncryption" : "id-ecPublicKey"),
            std::string::npos);
}

TEST_P(CertificatesTest, NegativeDaysMakeAnExpiredOne) {
  TempDir dir;
  const Certificates certificates(dir, "ca", GetParam());
  const CertificateFiles files = certificates.Issue({.key_type = GetParam(), .days = -1});
  EXPECT_FALSE(RunToEnd({"openssl", "x509", "-checkend", "0", "-in", files.certificate}).ok());
}

INSTANTIATE_TEST_SUITE_P(KeyTypes, CertificatesTest,
                         testing::Values(KeyType::kEcdsa, KeyType::kRsa), [](const auto& info) {
                           return info.param == KeyType::kRsa ? "Rsa" : "Ecdsa";
                         });

}  // namespace
}  // namespace tlsbridge::e2e
