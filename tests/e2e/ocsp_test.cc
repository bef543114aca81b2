// OCSP responses that are stapled, as openssl s_client sees them.

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/authority_files.h"
#include "tests/e2e/support/openssl.h"
#include "tests/e2e/support/run_program.h"
#include "tests/tls/test_ocsp.h"
#include "tls/certificates/key_pair.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class OcspTest : public TlsbridgeTest {
 protected:
  OpensslResult Run(const std::vector<std::string>& arguments) {
    return SClient(tlsbridge().address(), certificates().authority_certificate(), arguments);
  }

  TcpBackend backend_{[](Socket& connection) { (void)connection.ReadToEnd(); }};
};

TEST_F(OcspTest, TheResponseIsStapledForClientsThatAskForIt) {
  const CertificateFiles files = certificates().Issue();
  AuthorityFiles authority(dir(), "ca");
  authority.NoteIssued(files.certificate);
  const std::string response = authority.MakeOcspResponse(files.certificate, "good.ocsp");
  ASSERT_NO_FATAL_FAILURE(StartSidecarWith(files, backend_.address(), {"--ocsp", response}));
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    EXPECT_THAT(
        Run({version, "-status"}).output,
        AllOf(HasSubstr("OCSP Response Status: successful"), HasSubstr("Cert Status: good")))
        << version;
    EXPECT_EQ(Run({version}).exit_code, 0);
  }
}

TEST_F(OcspTest, AResponseIsStapledUntilItExpires) {
  const CertificateFiles files = certificates().Issue();
  const auto pair = tls::LoadKeyPair(files.certificate, files.key, absl::Now());
  ASSERT_TRUE(pair.ok()) << pair.status();
  // The time in it has whole seconds. Until a busy machine has seen it, one that lasts longer.
  bool seen = false;
  for (absl::Duration life = absl::Seconds(4); !seen && life < absl::Minutes(2); life *= 4) {
    const absl::Time expiry = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now() + life));
    const std::string response =
        dir().WriteFile("soon.ocsp", testing::MakeOcspResponse(*pair, expiry));
    ASSERT_NO_FATAL_FAILURE(StartSidecarWith(files, backend_.address(), {"--ocsp", response}));
    while (true) {
      const absl::Time before = absl::Now();
      const std::string output = Run({"-status"}).output;
      if (absl::StrContains(output, "OCSP response: no response sent")) {
        ASSERT_GE(absl::Now(), expiry);
        break;
      }
      ASSERT_THAT(output, HasSubstr("OCSP Response Status: successful"));
      ASSERT_LT(before, expiry) << "it never expired";
      seen = true;
    }
    EXPECT_EQ(tlsbridge().Stop(), 0);
  }
  EXPECT_TRUE(seen);
}

TEST_F(OcspTest, WithoutAResponseNoneIsStapled) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  EXPECT_THAT(Run({"-status"}).output, HasSubstr("OCSP response: no response sent"));
}

TEST_F(OcspTest, WhatIsNoResponseKeepsTheProgramFromStarting) {
  const CertificateFiles files = certificates().Issue();
  const std::string response = dir().WriteFile("no.ocsp", "hello");
  const ProgramResult result =
      RunProgram({"sidecar", "--listen=127.0.0.1:0", "--backend", backend_.address(), "--cert",
                  files.certificate, "--key", files.key, "--ocsp", response});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, HasSubstr(response));
}

}  // namespace
}  // namespace tlsbridge::e2e
