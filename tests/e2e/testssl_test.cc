// What testssl.sh finds in the program with its default settings, an ECDSA and an RSA certificate:
// nothing above LOW but what is excused here.

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tlsbridge_test.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::IsSupersetOf;

// It has to be bounded, but says little of us.
constexpr absl::Duration kPatienceWithTestssl = absl::Minutes(50);

// Findings that a TLS front cannot avoid, or that are not about it.
const std::map<std::string, std::string>& Excused() {
  static const auto* const excused = new std::map<std::string, std::string>{
      {"cert_revocation", "the authority of this test names neither CRL nor OCSP in certificates"},
      {"engine_problem", "testssl's own openssl has no GOST, which nobody here offers"},
  };
  return *excused;
}

// "cert_revocation <cert#2>": testssl numbers what it finds of several certificates.
std::string WithoutNumber(const std::string& id) { return id.substr(0, id.find(' ')); }

class TestsslTest : public TlsbridgeTest {
 protected:
  HttpBackend backend_;
};

TEST_F(TestsslTest, FindsNothingAboveLow) {
  // Months, because testssl minds certificates that soon expire.
  const CertificateFiles ecdsa = certificates().Issue({.days = 200});
  const CertificateFiles rsa =
      certificates().Issue({.name = "rsa", .key_type = KeyType::kRsa, .days = 200});
  ASSERT_NO_FATAL_FAILURE(
      StartSidecarWith(ecdsa, backend_.address(), {"--cert", rsa.certificate, "--key", rsa.key}));
  const std::string json = dir().PathOf("testssl.json");
  // Protocols, ciphers, forward secrecy, preferences, the server's defaults and certificates, all
  // vulnerabilities, and what some fifty clients would negotiate. Not the HTTP headers, which are
  // the backend's. Nothing is looked up anywhere.
  auto testssl = Process::Start(
      {.argv = {"testssl", "--quiet", "--color=0", "--warnings=off", "--nodns=none",
                "--ip=127.0.0.1", absl::StrCat("--add-ca=", certificates().authority_certificate()),
                absl::StrCat("--jsonfile=", json), "-p", "-s", "-f", "-P", "-S", "-U", "-c",
                absl::StrCat("localhost:", tlsbridge().Port())}});
  ASSERT_TRUE(testssl.ok()) << testssl.status();
  const auto code = (*testssl)->WaitForExit(kPatienceWithTestssl);
  ASSERT_TRUE(code.has_value()) << "still runs: " << (*testssl)->StdoutText();
  const nlohmann::json findings =
      nlohmann::json::parse(std::ifstream(json), nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(findings.is_array()) << (*testssl)->StdoutText() << (*testssl)->StderrText();

  std::set<std::string> seen;
  const std::set<std::string> harmless = {"OK", "INFO", "LOW"};
  for (const nlohmann::json& finding : findings) {
    const std::string id = WithoutNumber(finding.value("id", ""));
    seen.insert(id);
    if (harmless.count(finding.value("severity", "")) > 0 || Excused().count(id) > 0) continue;
    ADD_FAILURE() << finding.dump();
  }
  // So that an empty report, or one of something else, does not pass.
  EXPECT_THAT(seen, IsSupersetOf({"SSLv2",
                                  "SSLv3",
                                  "TLS1",
                                  "TLS1_1",
                                  "TLS1_2",
                                  "TLS1_3",
                                  "cipherlist_STRONG",
                                  "cipherlist_3DES_IDEA",
                                  "heartbleed",
                                  "CCS",
                                  "ticketbleed",
                                  "ROBOT",
                                  "secure_renego",
                                  "secure_client_renego",
                                  "CRIME_TLS",
                                  "fallback_SCSV",
                                  "SWEET32",
                                  "FREAK",
                                  "DROWN",
                                  "LOGJAM",
                                  "BEAST",
                                  "LUCKY13",
                                  "RC4",
                                  "cert_chain_of_trust"}));
  for (const nlohmann::json& finding : findings) {
    const std::string id = finding.value("id", "");
    if (id == "TLS1_2" || id == "TLS1_3" || id == "cipherlist_STRONG") {
      EXPECT_EQ(finding.value("severity", ""), "OK") << finding.dump();
    }
  }
}

}  // namespace
}  // namespace tlsbridge::e2e
