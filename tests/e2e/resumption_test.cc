// Which sessions `openssl s_client` and `gnutls-cli` can resume: those of the same route, and as
// long as the same CAs vouch for clients.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/openssl.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

class ResumptionTest : public TlsbridgeTest, public testing::WithParamInterface<const char*> {
 protected:
  // Two routes that differ by their ports only, so that nothing keeps a client from offering the
  // one's session to the other. Their secrets are the same.
  std::string Yaml(const std::string& client_ca = "") const {
    const auto route = [&](const std::string& name, const std::string& address) {
      return absl::StrCat(
          "  - name: ", name, "\n    match: {ports: [", PortOf(address),
          "]}\n    tls:\n      certificates: [{cert: localhost.crt, key: localhost.key}]\n"
          "      tickets: {mode: shared, file: secret}\n",
          client_ca.empty()
              ? ""
              : absl::StrCat("      client_auth: {mode: required, ca: ", client_ca, "}\n"),
          "    backends: [{address: \"", backend_.address(), "\"}]\n");
    };
    return absl::StrCat("listeners: [{address: \"", first_, "\"}, {address: \"", second_,
                        "\"}]\nroutes:\n", route("first", first_), route("second", second_));
  }
  void Start(const std::string& client_ca = "") {
    dir().WriteFile("secret", std::string(64, 'S') + "\n");
    StartRun(Yaml(client_ca));
  }

  // Connects, reads all that the backend says, so that tickets of TLS 1.3 come too, and keeps the
  // session.
  std::string Visit(const std::string& address, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.end(), {GetParam(), "-ign_eof", "-sess_out", session_});
    arguments.insert(arguments.end(), client_.begin(), client_.end());
    return SClient(address, certificates().authority_certificate(), arguments).output;
  }
  std::string Return(const std::string& address) { return Visit(address, {"-sess_in", session_}); }

  const std::string first_ = FreeAddress(1);
  const std::string second_ = FreeAddress(2);
  TcpBackend backend_{[](Socket& connection) { (void)connection.Write("hello"); }};
  const std::string session_ = dir().PathOf("session.pem");
  std::vector<std::string> client_;  // its certificate, as s_client's arguments
};

INSTANTIATE_TEST_SUITE_P(Versions, ResumptionTest, testing::Values("-tls1_2", "-tls1_3"),
                         [](const auto& info) {
                           return std::string(info.param) == "-tls1_2" ? "Tls12" : "Tls13";
                         });

TEST_P(ResumptionTest, OnTheSameRouteAndNoOther) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_THAT(Visit(first_), HasSubstr("New, TLSv1."));
  EXPECT_THAT(Return(first_), HasSubstr("Reused, TLSv1."));
  EXPECT_THAT(Return(second_), HasSubstr("New, TLSv1."));
  EXPECT_THAT(Return(second_), HasSubstr("Reused, TLSv1.")) << "now it has one of this route";
  EXPECT_THAT(Return(first_), HasSubstr("New, TLSv1."));
}

TEST_P(ResumptionTest, NotOnceOtherCasVouchForClients) {
  const TempDir clients_dir;
  const Certificates old_authority(clients_dir, "old");
  const Certificates new_authority(clients_dir, "new");
  const CertificateFiles client = old_authority.Issue({.name = "orders"});
  client_ = {"-cert", client.certificate, "-key", client.key};
  ASSERT_NO_FATAL_FAILURE(Start(old_authority.authority_certificate()));
  EXPECT_THAT(Visit(first_), HasSubstr("New, TLSv1."));
  EXPECT_THAT(Return(first_), HasSubstr("Reused, TLSv1."));

  // Nothing that is said of this client has changed, but the set of CAs has.
  auto both = RunToEnd(
      {"cat", old_authority.authority_certificate(), new_authority.authority_certificate()});
  ASSERT_TRUE(both.ok());
  ReloadWith(Yaml(dir().WriteFile("both.crt", *both)));
  EXPECT_THAT(Return(first_), HasSubstr("New, TLSv1."));
  EXPECT_THAT(Return(first_), HasSubstr("Reused, TLSv1."));

  // And one whose CA is trusted no more is not let in by what it was given before.
  ReloadWith(Yaml(new_authority.authority_certificate()));
  EXPECT_THAT(Return(first_), HasSubstr("alert unknown ca"));
  const auto refused = tlsbridge().WaitForEvent("connection_end", [](const auto& end) {
    return end.value("detail", "") == "bad_client_cert:untrusted";
  });
  EXPECT_TRUE(refused);
}

TEST_P(ResumptionTest, EarlyDataIsNeitherOfferedNorSent) {
  if (std::string(GetParam()) == "-tls1_2") GTEST_SKIP() << "TLS 1.2 has none";
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_THAT(Visit(first_), HasSubstr("Max Early Data: 0"));
  const std::string data = dir().WriteFile("early", "GET / HTTP/1.1\r\n\r\n");
  const std::string output = Visit(first_, {"-sess_in", session_, "-early_data", data});
  EXPECT_THAT(output, HasSubstr("Reused, TLSv1.3"));
  EXPECT_THAT(output, HasSubstr("Early data was not sent"));
}

TEST_P(ResumptionTest, GnutlsResumesToo) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const bool tls13 = std::string(GetParam()) == "-tls1_3";
  const auto output =
      RunToEnd({"gnutls-cli", "--x509cafile", certificates().authority_certificate(), "--priority",
                absl::StrCat("NORMAL:-VERS-ALL:+VERS-TLS1.", tls13 ? "3" : "2"), "--resume",
                "--waitresumption", "--sni-hostname", "localhost", "--verify-hostname", "localhost",
                "--port", PortOf(first_), first_.substr(0, first_.find(':'))});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(*output, HasSubstr("*** This is a resumed session"));
}

}  // namespace
}  // namespace tlsbridge::e2e
