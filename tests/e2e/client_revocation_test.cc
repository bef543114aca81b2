// Client certificates that were revoked, have expired or are not valid yet: what the client is
// told, what the log says, what observe-only makes of it and how `tlsbridge explain` sees it.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/authority_files.h"
#include "tests/e2e/support/run_program.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

class ClientRevocationTest : public TlsbridgeTest {
 protected:
  void SetUp() override { authority_.Revoke(revoked_.certificate); }

  void Start(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--client-ca", clients_.authority_certificate()});
    StartSidecar(backend_.address(), more);
  }
  // What the client reads after its handshake: "hello", or the alert's number.
  std::string VisitAs(const CertificateFiles& client, int version) {
    auto connection = TlsClient::Connect(tlsbridge().address(), {.version = version});
    if (!connection.ok()) return connection.status().ToString();
    SSL_use_certificate_file(connection->ssl(), client.certificate.c_str(), SSL_FILETYPE_PEM);
    SSL_use_PrivateKey_file(connection->ssl(), client.key.c_str(), SSL_FILETYPE_PEM);
    std::string read;
    if (connection->Handshake().ok()) read = connection->ReadToEnd().value_or("failed");
    return connection->alert() < 0 ? read : absl::StrCat("alert ", connection->alert());
  }
  void ExpectRefused(const CertificateFiles& client, int alert, const std::string& why) {
    size_t ended = tlsbridge().Connections().size();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      EXPECT_EQ(VisitAs(client, version), absl::StrCat("alert ", alert));
      const auto ends = tlsbridge().WaitForConnections(++ended);
      ASSERT_EQ(ends.size(), ended);
      EXPECT_EQ(ends.back()["detail"], absl::StrCat("bad_client_cert:", why));
    }
    EXPECT_EQ(backend_.connections_accepted(), 0);
  }

  TcpBackend backend_{[](Socket& connection) { (void)connection.Write("hello"); }};
  TempDir clients_dir_;
  Certificates clients_{clients_dir_, "clients"};
  AuthorityFiles authority_{clients_dir_, "clients"};
  const CertificateFiles good_ = clients_.Issue({.name = "good"});
  const CertificateFiles revoked_ = clients_.Issue({.name = "revoked"});
};

TEST_F(ClientRevocationTest, ARevokedClientIsToldSoAndOthersAreServed) {
  ASSERT_NO_FATAL_FAILURE(Start({"--client-crl", authority_.MakeCrl("crl.pem")}));
  ExpectRefused(revoked_, SSL_AD_CERTIFICATE_REVOKED, "revoked");
  EXPECT_EQ(VisitAs(good_, TLS1_3_VERSION), "hello");
}

TEST_F(ClientRevocationTest, WithoutAListNobodyIsRevoked) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(VisitAs(revoked_, TLS1_3_VERSION), "hello");
}

TEST_F(ClientRevocationTest, AnExpiredClientIsToldSo) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ExpectRefused(clients_.Issue({.name = "old", .days = -1}), SSL_AD_CERTIFICATE_EXPIRED, "expired");
}

TEST_F(ClientRevocationTest, AClientThatIsNotValidYetIsRefused) {
  const CertificateFiles early = clients_.Issue({.name = "early"});
  authority_.Reissue(early, "20480101000000Z", "20490101000000Z");
  ASSERT_NO_FATAL_FAILURE(Start());
  ExpectRefused(early, SSL_AD_BAD_CERTIFICATE, "not_yet_valid");
}

TEST_F(ClientRevocationTest, ObserveOnlyLetsAllInAndLogsWhomItWouldRefuse) {
  ASSERT_NO_FATAL_FAILURE(Start({"--observe-only", "--client-crl", authority_.MakeCrl("crl.pem"),
                                 "--allow-cn", "good", "--allow-cn", "revoked"}));
  const CertificateFiles other = clients_.Issue({.name = "other"});
  const CertificateFiles stranger = certificates().Issue({.name = "stranger"});
  const std::vector<std::pair<const CertificateFiles*, std::string>> visits = {
      {&good_, ""},
      {&revoked_, "bad_client_cert:revoked"},
      {&other, "bad_client_cert:not_allowed"},
      {&stranger, "bad_client_cert:untrusted"}};
  size_t ended = 0;
  for (const auto& [client, would_refuse] : visits) {
    EXPECT_EQ(VisitAs(*client, TLS1_3_VERSION), "hello") << would_refuse;
    const auto ends = tlsbridge().WaitForConnections(++ended);
    ASSERT_EQ(ends.size(), ended);
    EXPECT_EQ(ends.back().value("would_refuse", ""), would_refuse) << ends.back();
    EXPECT_EQ(ends.back().value("allowed_by", ""), would_refuse.empty() ? "cn:good" : "");
  }
  {
    auto without = TlsClient::Open(tlsbridge().address());
    ASSERT_TRUE(without.ok()) << without.status();
    EXPECT_EQ(without->ReadToEnd().value_or("failed"), "hello");
  }
  const auto ends = tlsbridge().WaitForConnections(++ended);
  ASSERT_EQ(ends.size(), ended);
  EXPECT_EQ(ends.back().value("would_refuse", ""), "no_client_cert");
}

class ExplainTest : public ClientRevocationTest {
 protected:
  // What `tlsbridge explain` makes of a client of a route with these lines under client_auth.
  ProgramResult Explain(const std::string& peer, const std::string& lines = "") {
    const CertificateFiles ours = certificates().Issue();
    const std::string path = dir().WriteFile(
        "tlsbridge.yaml",
        absl::StrCat("listeners: [{address: '127.0.0.1:0'}]\nroutes:\n- name: orders\n"
                     "  backends: [{address: '127.0.0.1:80'}]\n  tls:\n"
                     "    certificates: [{cert: ",
                     ours.certificate, ", key: ", ours.key,
                     "}]\n    client_auth:\n      mode: required\n      ca: ",
                     clients_.authority_certificate(),
                     "\n      crl: ", authority_.MakeCrl("crl.pem"),
                     "\n      allow: ['cn:bad', 'cn:goo', 'cn:good']\n", lines));
    return RunProgram({"explain", "--config", path, "--peer", peer});
  }
};

TEST_F(ExplainTest, SaysByWhichRuleAClientIsLetIn) {
  const ProgramResult result = Explain(good_.certificate);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("no match cn:bad\n"));
  EXPECT_THAT(result.output, HasSubstr("allowed by cn:good\n"));
}

TEST_F(ExplainTest, SaysSoToProgramsToo) {
  const auto explain = [this](const std::string& peer, const std::string& rule) {
    const ProgramResult result =
        RunProgram({"explain", "--json", "--client-ca", clients_.authority_certificate(), "--peer",
                    peer, "--allow-cn", rule});
    const auto json = nlohmann::json::parse(result.output, nullptr, /*allow_exceptions=*/false);
    EXPECT_EQ(json.value("let_in", false), result.exit_code == 0) << result.output << result.errors;
    return json;
  };
  const nlohmann::json in = explain(good_.certificate, "good");
  EXPECT_EQ(in["allowed_by"], "cn:good");
  EXPECT_TRUE(in["problem"].is_null());
  EXPECT_EQ(in["certificate"]["cn"], "good");
  EXPECT_EQ(in["rules"], nlohmann::json({{{"rule", "cn:good"}, {"matches", true}}}));
  const nlohmann::json out = explain(good_.certificate, "other");
  EXPECT_EQ(out["problem"], "not_allowed");
  EXPECT_EQ(out["meaning"], "it is trusted, but no rule allows it");
  EXPECT_TRUE(out["allowed_by"].is_null());
}

TEST_F(ExplainTest, TakesTheFlagsOfASidecar) {
  const std::vector<std::string> flags = {
      "explain", "--client-ca", clients_.authority_certificate(), "--peer", good_.certificate};
  const auto with = [&flags](std::vector<std::string> more) {
    more.insert(more.begin(), flags.begin(), flags.end());
    return RunProgram(more);
  };
  const ProgramResult in = with({"--allow-cn", "good"});
  EXPECT_EQ(in.exit_code, 0) << in.errors;
  EXPECT_THAT(in.output, HasSubstr("allowed by cn:good\n"));
  // Those that have nothing to do with clients do no harm.
  EXPECT_EQ(with({"--allow-cn", "other", "--listen", "127.0.0.1:1"}).exit_code, 1);
  const ProgramResult bad = with({"--allow-cn", "good", "--max-lifetime", "never"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.errors, HasSubstr("--max-lifetime"));
}

TEST_F(ExplainTest, SaysWhyAClientIsRefused) {
  const ProgramResult revoked = Explain(revoked_.certificate);
  EXPECT_EQ(revoked.exit_code, 1) << revoked.errors;
  EXPECT_THAT(revoked.output, HasSubstr("refused: revoked: "));
  const ProgramResult other = Explain(clients_.Issue({.name = "other"}).certificate);
  EXPECT_EQ(other.exit_code, 1) << other.errors;
  EXPECT_THAT(other.output, HasSubstr("refused: not_allowed: "));
  const ProgramResult observed = Explain(revoked_.certificate, "      observe_only: true\n");
  EXPECT_EQ(observed.exit_code, 0) << observed.errors;
  EXPECT_THAT(observed.output, HasSubstr("would be refused (observe-only): revoked"));
}

TEST_F(ExplainTest, OfSeveralRoutesItChoosesTheOneThatAsksForCertificates) {
  const std::string second = absl::StrCat(
      "- name: open\n  match: {domains: [open.internal]}\n  backends: [{address: "
      "'127.0.0.1:81'}]\n  tls: {certificates: [{cert: ",
      certificates().Issue().certificate, ", key: ", certificates().Issue().key, "}]}\n");
  EXPECT_THAT(Explain(good_.certificate, second).output, HasSubstr("allowed by cn:good\n"));
  const std::string third = absl::StrCat(
      second,
      "- name: more\n  match: {domains: [more.internal]}\n  backends: [{address: "
      "'127.0.0.1:82'}]\n  tls: {certificates: [{cert: ",
      certificates().Issue().certificate, ", key: ", certificates().Issue().key,
      "}], client_auth: {mode: optional, ca: ", clients_.authority_certificate(), "}}\n");
  const ProgramResult result = Explain(good_.certificate, third);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, HasSubstr("--route is missing; the routes are orders, open, more"));
}

TEST_F(ExplainTest, ExitsWith2WhenItCannotTell) {
  const ProgramResult missing = Explain("/nonexistent/peer.pem");
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.errors, HasSubstr("/nonexistent/peer.pem"));
  EXPECT_EQ(RunProgram({"explain", "--peer", good_.certificate}).exit_code, 2);
  EXPECT_EQ(
      RunProgram({"explain", "--config", "/f", "--client-ca", "/c", "--peer", "/p"}).exit_code, 2);
  EXPECT_EQ(RunProgram({"explain", "--config", "/nonexistent/file", "--peer", good_.certificate})
                .exit_code,
            2);
}

}  // namespace
}  // namespace tlsbridge::e2e
