// openssl s_client: what is negotiated, and what is refused.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tlsbridge_test.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

constexpr char kAes128[] = "ECDHE-ECDSA-AES128-GCM-SHA256";
constexpr char kAes256[] = "ECDHE-ECDSA-AES256-GCM-SHA384";
constexpr char kChaCha[] = "ECDHE-ECDSA-CHACHA20-POLY1305";

class OpensslClientTest : public TlsbridgeTest {
 protected:
  struct Result {
    int exit_code = -1;
    std::string output;
  };

  // With an empty standard input, so that it leaves as soon as it has shaken hands.
  Result Run(const std::vector<std::string>& arguments) {
    std::vector<std::string> argv = {"openssl",
                                     "s_client",
                                     "-connect",
                                     tlsbridge().address(),
                                     "-CAfile",
                                     certificates().authority_certificate(),
                                     "-verify_return_error",
                                     "-servername",
                                     "localhost",
                                     "-brief"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    auto process = Process::Start({.argv = std::move(argv)});
    if (!process.ok()) return {-1, process.status().ToString()};
    const int exit_code = (*process)->WaitForExit().value_or(-1);
    return {exit_code, (*process)->StdoutText() + (*process)->StderrText()};
  }
  nlohmann::json OnlyConnection() {
    const auto ended = tlsbridge().WaitForConnections(1);
    return ended.empty() ? nlohmann::json::object() : ended[0];
  }

  HttpBackend backend_;
};

TEST_F(OpensslClientTest, NegotiatesTls13AndTheLogSaysTheSame) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const Result result = Run({"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("Protocol version: TLSv1.3"));
  EXPECT_THAT(result.output, HasSubstr("Ciphersuite: TLS_CHACHA20_POLY1305_SHA256"));
  EXPECT_THAT(result.output, HasSubstr("Verification: OK"));
  EXPECT_THAT(result.output, HasSubstr("X25519"));
  const nlohmann::json ended = OnlyConnection();
  EXPECT_EQ(ended["tls"], "TLSv1.3");
  EXPECT_EQ(ended["cipher"], "TLS_CHACHA20_POLY1305_SHA256");
  EXPECT_EQ(ended["group"], "X25519");
}

TEST_F(OpensslClientTest, NegotiatesTls12AndTheLogSaysTheSame) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const Result result = Run({"-tls1_2"});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("Protocol version: TLSv1.2"));
  EXPECT_THAT(result.output, HasSubstr("Verification: OK"));
  const nlohmann::json ended = OnlyConnection();
  EXPECT_EQ(ended["tls"], "TLSv1.2");
  EXPECT_EQ(ended["reason"], "closed_incoming");
}

TEST_F(OpensslClientTest, ItsOrderOfCiphersDoesNotCountAgainstTheServers) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const Result result = Run({"-tls1_2", "-cipher", absl::StrCat(kAes256, ":", kAes128)});
  EXPECT_THAT(result.output, HasSubstr(absl::StrCat("Ciphersuite: ", kAes128)));
}

TEST_F(OpensslClientTest, ItsOrderCountsBetweenCiphersThatTheServerHoldsEqual) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const Result chacha = Run({"-tls1_2", "-cipher", absl::StrCat(kChaCha, ":", kAes128)});
  EXPECT_THAT(chacha.output, HasSubstr(absl::StrCat("Ciphersuite: ", kChaCha)));
  const Result aes = Run({"-tls1_2", "-cipher", absl::StrCat(kAes128, ":", kChaCha)});
  EXPECT_THAT(aes.output, HasSubstr(absl::StrCat("Ciphersuite: ", kAes128)));
}

TEST_F(OpensslClientTest, ACipherWithoutForwardSecrecyIsRefused) {
  ASSERT_NO_FATAL_FAILURE(
      StartSidecarWith(certificates().Issue({.key_type = KeyType::kRsa}), backend_.address()));
  const Result result = Run({"-tls1_2", "-cipher", "AES128-GCM-SHA256"});
  EXPECT_NE(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("alert handshake failure"));
  EXPECT_EQ(OnlyConnection()["detail"], "no_shared_cipher");
}

TEST_F(OpensslClientTest, AGroupThatTheServerLacksIsRefused) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const Result result = Run({"-tls1_3", "-groups", "X448"});
  EXPECT_NE(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("alert handshake failure"));
  EXPECT_EQ(OnlyConnection()["detail"], "no_shared_group");
}

TEST_F(OpensslClientTest, SeveralGroupsAndAHelloRetryRequestWork) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  // The key share is for X448; the server asks for another.
  const Result result = Run({"-tls1_3", "-groups", "X448:P-384"});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(OnlyConnection()["group"], "P-384");
}

class OldVersionTest : public OpensslClientTest, public testing::WithParamInterface<const char*> {};

TEST_P(OldVersionTest, IsRefusedWithAnAlertThatNamesTheVersion) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const Result result = Run({GetParam(), "-cipher", "DEFAULT@SECLEVEL=0"});
  EXPECT_NE(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("alert protocol version"));
  const nlohmann::json ended = OnlyConnection();
  EXPECT_EQ(ended["reason"], "tls_handshake_failed");
  EXPECT_EQ(ended["detail"], "no_shared_version");
  EXPECT_EQ(ended["sni"], "localhost");
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

INSTANTIATE_TEST_SUITE_P(Versions, OldVersionTest, testing::Values("-tls1", "-tls1_1"),
                         [](const auto& info) {
                           return std::string(info.param) == "-tls1" ? "Tls10" : "Tls11";
                         });

}  // namespace
}  // namespace tlsbridge::e2e
