// Which certificate a client is shown: by its SNI and by the signatures that it can verify.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/openssl.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

class ServerNameTest : public TlsbridgeTest {
 protected:
  // The first is the harness's own, for localhost.
  void Start(const std::vector<CertificateOptions>& more, std::vector<std::string> arguments = {}) {
    for (const CertificateOptions& options : more) {
      const CertificateFiles files = certificates().Issue(options);
      arguments.insert(arguments.end(), {"--cert", files.certificate, "--key", files.key});
    }
    StartSidecar(backend_.address(), arguments);
  }
  OpensslResult Run(const std::vector<std::string>& arguments) {
    return SClient(tlsbridge().address(), certificates().authority_certificate(), arguments);
  }
  // The common name of the certificate that is shown to who asks for `name`.
  std::string ShownFor(const std::string& name) {
    const OpensslResult result = Run({"-servername", name});
    EXPECT_EQ(result.exit_code, 0) << result.output;
    const size_t at = result.output.find("subject=CN = ");
    if (at == std::string::npos) return result.output;
    const size_t begin = at + 13;
    return result.output.substr(begin, result.output.find('\n', begin) - begin);
  }
  std::string OnlyDetail() {
    const auto ended = tlsbridge().WaitForConnections(1);
    return ended.size() == 1 ? ended[0].value("detail", "none") : "no connection";
  }

  TcpBackend backend_{[](Socket& connection) { (void)connection.ReadToEnd(); }};
};

TEST_F(ServerNameTest, ExactNamesWinOverWildcardsAndTheFirstAnswersForAllOthers) {
  ASSERT_NO_FATAL_FAILURE(Start({{.name = "wild", .alt_names = {"DNS:*.example.com"}},
                                 {.name = "exact", .alt_names = {"DNS:a.example.com"}}}));
  EXPECT_EQ(ShownFor("a.example.com"), "exact");
  EXPECT_EQ(ShownFor("A.Example.COM"), "exact");
  EXPECT_EQ(ShownFor("b.example.com"), "wild");
  EXPECT_EQ(ShownFor("b.a.example.com"), "localhost") << "* is one label";
  EXPECT_EQ(ShownFor("example.com"), "localhost");
  EXPECT_EQ(ShownFor("localhost"), "localhost");
  EXPECT_THAT(Run({"-noservername"}).output, HasSubstr("subject=CN = localhost"));
}

TEST_F(ServerNameTest, UnknownNamesAreRefusedWithAnAlertIfWanted) {
  ASSERT_NO_FATAL_FAILURE(Start({}, {"--refuse-unknown-sni"}));
  const OpensslResult result = Run({"-servername", "stranger.example"});
  EXPECT_NE(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("unrecognized name"));
  EXPECT_EQ(OnlyDetail(), "unknown_sni");
  EXPECT_EQ(tlsbridge().Connections()[0]["sni"], "stranger.example");
  EXPECT_EQ(backend_.connections_accepted(), 0);
  EXPECT_EQ(ShownFor("localhost"), "localhost");
}

TEST_F(ServerNameTest, NoNameIsRefusedLikeAnUnknownOne) {
  ASSERT_NO_FATAL_FAILURE(Start({}, {"--refuse-unknown-sni"}));
  EXPECT_NE(Run({"-noservername"}).exit_code, 0);
  EXPECT_EQ(OnlyDetail(), "unknown_sni");
}

TEST_F(ServerNameTest, TheSignaturesThatTheClientCanVerifyChooseBetweenEcdsaAndRsa) {
  ASSERT_NO_FATAL_FAILURE(Start({{.name = "rsa", .key_type = KeyType::kRsa}}));
  const std::string ecdsa_shown = "subject=CN = localhost";
  const std::string rsa_shown = "subject=CN = rsa";
  EXPECT_THAT(Run({"-tls1_3"}).output, HasSubstr(ecdsa_shown));
  EXPECT_THAT(Run({"-tls1_3", "-sigalgs", "ECDSA+SHA256"}).output, HasSubstr(ecdsa_shown));
  EXPECT_THAT(Run({"-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256:ECDSA+SHA384"}).output,
              HasSubstr(rsa_shown));
  EXPECT_THAT(Run({"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}).output,
              HasSubstr(rsa_shown));
  EXPECT_THAT(Run({"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}).output,
              HasSubstr(ecdsa_shown));
  const OpensslResult neither = Run({"-tls1_3", "-sigalgs", "ed25519"});
  EXPECT_NE(neither.exit_code, 0);
  EXPECT_THAT(neither.output, HasSubstr("alert handshake failure"));
}

}  // namespace
}  // namespace tlsbridge::e2e
