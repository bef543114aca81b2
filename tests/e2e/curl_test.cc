// curl, which verifies the certificate, before an HTTP/1.1 backend.

#include "tests/e2e/support/curl.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/payload.h"
#include "tests/e2e/harness/tlsbridge_test.h"

namespace tlsbridge::e2e {
namespace {

constexpr int kMessageTooOld = 35;       // CURLE_SSL_CONNECT_ERROR
constexpr int kVerificationFailed = 60;  // CURLE_PEER_FAILED_VERIFICATION
constexpr size_t kKibibyte = 1024;

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class CurlTest : public TlsbridgeTest {
 protected:
  CurlResult Run(std::vector<std::string> arguments) {
    return Curl(certificates().authority_certificate(), std::move(arguments));
  }
  std::string Url(const std::string& path) { return UrlOf(tlsbridge(), path); }

  HttpBackend backend_;
};

TEST_F(CurlTest, SpeaksTls12) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const CurlResult result = Run({"--tlsv1.2", "--tls-max", "1.2", Url("/hello")});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(nlohmann::json::parse(result.body)["path"], "/hello");
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["tls"], "TLSv1.2");
}

TEST_F(CurlTest, SpeaksTls13) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const CurlResult result = Run({"--tlsv1.3", Url("/hello")});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(nlohmann::json::parse(result.body)["path"], "/hello");
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["tls"], "TLSv1.3");
  EXPECT_EQ(ended[0]["sni"], "localhost");
  EXPECT_EQ(ended[0]["reason"], "closed_incoming");
  EXPECT_EQ(ended[0]["incoming"], "normal");
  EXPECT_EQ(ended[0]["outgoing"], "socket_end");
}

TEST_F(CurlTest, RefusesTheCertificateOfAnAuthorityThatItDoesNotTrust) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const Certificates other(dir(), "other");
  const CurlResult result = Curl(other.authority_certificate(), {Url("/")});
  EXPECT_EQ(result.exit_code, kVerificationFailed) << result.error;
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  // OpenSSL verifies when it has all of the server's first flight, so that the handshake fails.
  EXPECT_EQ(ended[0]["reason"], "tls_handshake_failed");
  EXPECT_EQ(ended[0]["detail"], "client_alert:unknown_ca");
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(CurlTest, IsRefusedWhenItOffersOnlyTls11) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const CurlResult result =
      Run({"--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", Url("/")});
  EXPECT_EQ(result.exit_code, kMessageTooOld) << result.error;
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["detail"], "no_shared_version");
}

TEST_F(CurlTest, KeepsOneConnectionAliveForTwoRequests) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  const CurlResult result = Run({Url("/one"), Url("/two"), "--write-out", "\n%{num_connects}\n"});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(backend_.connections_accepted(), 1);
  EXPECT_EQ(backend_.requests_received(), 2);
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(tlsbridge().Connections().size(), 1u);
}

TEST_F(CurlTest, MovesABodyEachWayUnchanged) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  for (const size_t bytes : {size_t{1}, size_t{16384}, size_t{16385}, size_t{3'000'000}}) {
    const CurlResult down = Run({Url(absl::StrCat("/download/", bytes))});
    ASSERT_EQ(down.exit_code, 0) << down.error;
    EXPECT_EQ(Checksum(down.body), Checksum(Payload(bytes))) << bytes << " bytes to the client";

    const std::string file = dir().WriteFile("upload", Payload(bytes, 1));
    const CurlResult up = Run({"--upload-file", file, Url("/upload")});
    ASSERT_EQ(up.exit_code, 0) << up.error;
    const auto answer = nlohmann::json::parse(up.body);
    EXPECT_EQ(answer["bytes"], bytes);
    EXPECT_EQ(answer["checksum"], Checksum(Payload(bytes, 1))) << bytes << " bytes to the backend";
  }
}

TEST_F(CurlTest, GetsAHundredAnswersInParallel) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  constexpr size_t kTransfers = 100;
  constexpr size_t kBytes = 20'000;
  // Each of another length, so that one that got another's answer shows.
  const CurlResult result =
      Run({"--parallel", "--parallel-immediate", "--parallel-max", "100", "--output",
           dir().PathOf("answer-#1"), Url("/download/[20001-20100]")});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  for (size_t i = 1; i <= kTransfers; ++i) {
    const std::string body = Contents(dir().PathOf(absl::StrCat("answer-", kBytes + i)));
    ASSERT_EQ(body.size(), kBytes + i);
    EXPECT_EQ(Checksum(body), Checksum(Payload(kBytes + i)));
  }
  EXPECT_EQ(backend_.requests_received(), kTransfers);
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(tlsbridge().summary()["reasons"]["closed_incoming"], backend_.connections_accepted());
}

struct Identity {
  const char* name;
  KeyType key_type;
  bool through_intermediate;
};

class CurlIdentityTest : public CurlTest, public testing::WithParamInterface<Identity> {};

TEST_P(CurlIdentityTest, IsAcceptedByCurlForAKibibyteInBothVersions) {
  CertificateFiles files;
  if (GetParam().through_intermediate) {
    const Certificates intermediate = certificates().IssueAuthority("intermediate");
    files = intermediate.Issue({.key_type = GetParam().key_type});
    // A chain: the certificate first, then who signed it.
    files.certificate = dir().WriteFile(
        "chain.crt", Contents(files.certificate) + Contents(intermediate.authority_certificate()));
  } else {
    files = certificates().Issue({.key_type = GetParam().key_type});
  }
  ASSERT_NO_FATAL_FAILURE(StartSidecarWith(files, backend_.address()));
  const std::string body = dir().WriteFile("body", Payload(kKibibyte));
  for (const char* version : {"1.2", "1.3"}) {
    const CurlResult result = Run({absl::StrCat("--tlsv", version), "--tls-max", version,
                                   "--data-binary", absl::StrCat("@", body), Url("/upload")});
    ASSERT_EQ(result.exit_code, 0) << version << ": " << result.error;
    EXPECT_EQ(nlohmann::json::parse(result.body)["checksum"], Checksum(Payload(kKibibyte)));
  }
}

INSTANTIATE_TEST_SUITE_P(Identities, CurlIdentityTest,
                         testing::Values(Identity{"Ecdsa", KeyType::kEcdsa, false},
                                         Identity{"Rsa", KeyType::kRsa, false},
                                         Identity{"EcdsaBehindAnIntermediate", KeyType::kEcdsa,
                                                  true},
                                         Identity{"RsaBehindAnIntermediate", KeyType::kRsa, true}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tlsbridge::e2e
