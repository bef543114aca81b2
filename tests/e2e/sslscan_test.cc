// What sslscan finds in the program with its default settings, an ECDSA and an RSA certificate.

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tlsbridge_test.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class SslscanTest : public TlsbridgeTest {
 protected:
  void SetUp() override {
    const CertificateFiles rsa = certificates().Issue({.name = "rsa", .key_type = KeyType::kRsa});
    ASSERT_NO_FATAL_FAILURE(
        StartSidecar(backend_.address(), {"--cert", rsa.certificate, "--key", rsa.key}));
    auto report = RunToEnd({"sslscan", "--xml=-", "--sni-name=localhost", tlsbridge().address()});
    ASSERT_TRUE(report.ok()) << report.status();
    report_ = *report;
    ASSERT_THAT(report_, HasSubstr("</document>"));
  }
  // The elements of that name, each as its text.
  std::vector<std::string> Elements(const std::string& name) const {
    std::vector<std::string> found;
    for (const absl::string_view line : absl::StrSplit(report_, '\n')) {
      const std::string text(line);
      if (text.find("<" + name + " ") != std::string::npos) found.push_back(text);
    }
    return found;
  }

  HttpBackend backend_;
  std::string report_;
};

TEST_F(SslscanTest, FindsNothingThatIsWeak) {
  const auto protocols = Elements("protocol");
  ASSERT_THAT(protocols, SizeIs(6));
  for (const std::string& protocol : protocols) {
    const bool new_enough = protocol.find("type=\"tls\" version=\"1.2\"") != std::string::npos ||
                            protocol.find("type=\"tls\" version=\"1.3\"") != std::string::npos;
    EXPECT_THAT(protocol, HasSubstr(new_enough ? "enabled=\"1\"" : "enabled=\"0\""));
  }
  EXPECT_THAT(Elements("renegotiation"), AllOf(SizeIs(1), Each(HasSubstr("supported=\"0\""))));
  EXPECT_THAT(Elements("heartbleed"), AllOf(SizeIs(2), Each(HasSubstr("vulnerable=\"0\""))));

  const auto ciphers = Elements("cipher");
  EXPECT_THAT(ciphers, Contains(HasSubstr("TLS_AES_128_GCM_SHA256")));
  EXPECT_THAT(ciphers, Contains(HasSubstr("ECDHE-ECDSA-")));
  // sslscan calls those of TLS 1.3 "acceptable" and what is forward secret and AEAD "strong".
  EXPECT_THAT(ciphers, Each(AnyOf(AllOf(HasSubstr("\"TLSv1.3\""), HasSubstr("\"acceptable\"")),
                                  AllOf(HasSubstr("\"TLSv1.2\""), HasSubstr("\"strong\"")))));
  EXPECT_THAT(ciphers, Each(Not(HasSubstr("CBC"))));

  const auto groups = Elements("group");
  EXPECT_THAT(groups, Contains(HasSubstr("x25519")));
  EXPECT_THAT(groups, Each(AnyOf(HasSubstr("bits=\"128\""), HasSubstr("bits=\"192\""))));
}

TEST_F(SslscanTest, LeavesTheProgramAsItWas) {
  EXPECT_EQ(tlsbridge().Dump()["live"]["handshakes_waiting"], 0);
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_GT(tlsbridge().summary()["reasons"]["tls_handshake_failed"], 10) << "old versions, say";
}

}  // namespace
}  // namespace tlsbridge::e2e
