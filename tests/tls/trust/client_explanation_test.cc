#include "tls/trust/client_explanation.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

class ClientExplanationTest : public ::testing::Test {
 protected:
  ClientPolicy Policy(const std::vector<std::string>& allow) const {
    ClientPolicy policy;
    policy.mode = ClientCertificates::kRequired;
    policy.ca_pem = ca_.CertificatePem();
    policy.ca_name = "ca.crt";
    policy.allow = allow;
    return policy;
  }
  static ClientExplanation Explain(const ClientPolicy& policy, const std::string& pem) {
    auto made = ExplainClient(policy, pem, "client.crt");
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  static std::string LastLine(const std::string& text) {
    return text.substr(text.rfind('\n', text.size() - 2) + 1);
  }

  const TestCertificate ca_ = MakeCertificate({.common_name = "clients' CA", .ca = true}, nullptr);
  const TestCertificate good_ =
      MakeCertificate({.common_name = "orders",
                       .organizational_unit = "payments",
                       .alternative_names = "URI:spiffe://prod/ns/a/sa/api,DNS:orders.internal"},
                      &ca_);
};

TEST_F(ClientExplanationTest, NamesTheRuleThatAllowsAndWhetherEachOtherMatches) {
  const ClientExplanation explanation = Explain(
      Policy({"cn:billing", "uri:spiffe://prod/**", "ou:payments"}), good_.CertificatePem());
  EXPECT_TRUE(explanation.let_in);
  EXPECT_EQ(explanation.problem, "");
  EXPECT_EQ(explanation.allowed_by, "uri:spiffe://prod/**");
  ASSERT_EQ(explanation.rules.size(), 3u);
  EXPECT_FALSE(explanation.rules[0].matches);
  EXPECT_TRUE(explanation.rules[1].matches);
  EXPECT_TRUE(explanation.rules[2].matches);
  EXPECT_EQ(explanation.ToText(),
            "certificate:\n"
            "  cn: orders\n"
            "  ou: payments\n"
            "  dns: orders.internal\n"
            "  uri: spiffe://prod/ns/a/sa/api\n"
            "  spki: " +
                explanation.identity.spki_sha256 +
                "\nrules:\n  no match cn:billing\n  matches  uri:spiffe://prod/**\n  matches  "
                "ou:payments\nallowed by uri:spiffe://prod/**\n");
}

TEST_F(ClientExplanationTest, SaysWhyACertificateIsRefused) {
  ClientPolicy policy = Policy({"cn:billing"});
  ClientExplanation explanation = Explain(policy, good_.CertificatePem());
  EXPECT_FALSE(explanation.let_in);
  EXPECT_EQ(explanation.problem, "not_allowed");
  EXPECT_EQ(explanation.allowed_by, "");
  EXPECT_EQ(LastLine(explanation.ToText()),
            "refused: not_allowed: it is trusted, but no rule allows it\n");
  policy.observe_only = true;
  explanation = Explain(policy, good_.CertificatePem());
  EXPECT_TRUE(explanation.let_in);
  EXPECT_EQ(LastLine(explanation.ToText()),
            "would be refused (observe-only): not_allowed: it is "
            "trusted, but no rule allows it\n");
}

TEST_F(ClientExplanationTest, SaysThatARuleMatchesEvenIfTheChainIsNotTrusted) {
  const TestCertificate stranger = MakeCertificate({.common_name = "orders"}, nullptr);
  const ClientExplanation explanation = Explain(Policy({"cn:orders"}), stranger.CertificatePem());
  EXPECT_EQ(explanation.problem, "untrusted");
  EXPECT_EQ(explanation.allowed_by, "");
  EXPECT_TRUE(explanation.rules[0].matches);
}

TEST_F(ClientExplanationTest, TakesTheChainThatTheClientWouldSend) {
  const TestCertificate middle = MakeCertificate({.common_name = "middle", .ca = true}, &ca_);
  const TestCertificate leaf = MakeCertificate({.common_name = "leaf"}, &middle);
  EXPECT_EQ(Explain(Policy({}), leaf.CertificatePem()).problem, "untrusted");
  const ClientExplanation whole =
      Explain(Policy({}), leaf.CertificatePem() + middle.CertificatePem());
  EXPECT_EQ(whole.problem, "");
  EXPECT_EQ(whole.allowed_by, "any");
  EXPECT_EQ(LastLine(whole.ToText()), "allowed by its CA alone (there are no allow rules)\n");
}

TEST_F(ClientExplanationTest, AFileThatIsNoCertificateIsNamed) {
  EXPECT_EQ(ExplainClient(Policy({}), "rubbish", "client.crt").status().message(),
            "client.crt: holds no PEM certificate (no BEGIN CERTIFICATE line)");
  EXPECT_EQ(ExplainClient(Policy({"cn:"}), good_.CertificatePem(), "client.crt").status().message(),
            "rule 'cn:': missing pattern");
}

}  // namespace
}  // namespace tlsbridge::tls
