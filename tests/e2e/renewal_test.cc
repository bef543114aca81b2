// What is read again when it changes, without a signal: the configuration, CAs, CRLs, OCSP
// responses, ticket keys. (Certificates: rotation_test.)

#include <stdlib.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/authority_files.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/openssl.h"
#include "tests/e2e/support/run_program.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RenewalTest : public TlsbridgeTest {
 protected:
  std::string Yaml(const std::string& listeners, const std::string& more = "") {
    return absl::StrCat("listeners: [", listeners, "]\nroutes:\n  - name: main\n", more,
                        "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
                        "    backends: [{address: \"",
                        backend_.address(), "\"}]\n");
  }
  std::string At(const std::string& address) {
    return absl::StrCat("{address: \"", address, "\"}");
  }
  // "hello", or the alert's number.
  std::string VisitAs(const CertificateFiles& client) {
    auto connection = TlsClient::Connect(tlsbridge().address());
    if (!connection.ok()) return connection.status().ToString();
    SSL_use_certificate_file(connection->ssl(), client.certificate.c_str(), SSL_FILETYPE_PEM);
    SSL_use_PrivateKey_file(connection->ssl(), client.key.c_str(), SSL_FILETYPE_PEM);
    std::string read;
    if (connection->Handshake().ok()) read = connection->ReadToEnd().value_or("failed");
    return connection->alert() < 0 ? read : absl::StrCat("alert ", connection->alert());
  }
  void Copy(const std::string& from, const std::string& to) {
    ASSERT_EQ(system(absl::StrCat("cp ", from, " ", to, ".new && mv ", to, ".new ", to).c_str()),
              0);
  }
  bool WaitForRenewed(size_t count) {
    return tlsbridge().WaitForEvents("renewed", count).size() >= count;
  }

  const std::string main_ = FreeAddress(1);
  const std::string extra_ = FreeAddress(2);
  TcpBackend backend_{[](Socket& connection) { (void)connection.Write("hello"); }};
};

TEST_F(RenewalTest, AChangeOfTheConfigurationFileIsAReload) {
  ASSERT_NO_FATAL_FAILURE(StartRun(Yaml(At(main_)), {}));
  WriteConfig(Yaml(At(main_) + ", " + At(extra_)));
  auto answers = tlsbridge().WaitForEvents("reloaded", 1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0]["changes"], "+" + extra_);
  EXPECT_TRUE(TlsClient::Open(extra_).ok());
  WriteConfig(Yaml(At(main_), "    limit: {}\n"));
  answers = tlsbridge().WaitForEvents("reload_refused", 1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(answers[0]["message"], AllOf(HasSubstr("tlsbridge.yaml:4:5: "), HasSubstr("limit")));
  EXPECT_TRUE(TlsClient::Open(extra_).ok()) << "nothing has changed";
  WriteConfig(Yaml(At(main_)));
  answers = tlsbridge().WaitForEvents("reloaded", 2);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1]["changes"], "-" + extra_);
  EXPECT_EQ(tlsbridge().Events("reload_refused").size(), 1u) << "told once";
}

TEST_F(RenewalTest, WithoutWatchingOnlySighupReadsFilesAgain) {
  ASSERT_NO_FATAL_FAILURE(StartRun(Yaml(At(main_)), {"--watch-files=false"}));
  WriteConfig(Yaml(At(main_) + ", " + At(extra_)));
  EXPECT_FALSE(tlsbridge().WaitForEvent(
      "reloaded", [](const auto&) { return true; }, absl::Seconds(1)));
  EXPECT_EQ(tlsbridge().Reload()["changes"], "+" + extra_);
}

TEST_F(RenewalTest, WhoMayBeAClientFollowsTheCaAndTheCrl) {
  TempDir clients_dir;
  const Certificates first(clients_dir, "first");
  const Certificates second(clients_dir, "second");
  const CertificateFiles of_first = first.Issue({.name = "of-first"});
  const CertificateFiles of_second = second.Issue({.name = "of-second"});
  AuthorityFiles authority(clients_dir, "second");
  const std::string ca = dir().PathOf("clients.pem");
  const std::string crl = dir().PathOf("clients.crl");
  AuthorityFiles first_authority(clients_dir, "first");
  Copy(first.authority_certificate(), ca);
  Copy(first_authority.MakeCrl("first.crl"), crl);
  ASSERT_NO_FATAL_FAILURE(
      StartSidecar(backend_.address(), {"--client-ca", ca, "--client-crl", crl}));
  EXPECT_EQ(VisitAs(of_first), "hello");
  EXPECT_EQ(VisitAs(of_second), absl::StrCat("alert ", SSL_AD_UNKNOWN_CA));
  Copy(second.authority_certificate(), ca);
  ASSERT_TRUE(WaitForRenewed(1));
  EXPECT_EQ(VisitAs(of_first), absl::StrCat("alert ", SSL_AD_UNKNOWN_CA));
  EXPECT_EQ(VisitAs(of_second), "hello");
  authority.Revoke(of_second.certificate);
  Copy(authority.MakeCrl("second.crl"), crl);
  ASSERT_TRUE(WaitForRenewed(2));
  EXPECT_EQ(VisitAs(of_second), absl::StrCat("alert ", SSL_AD_CERTIFICATE_REVOKED));
}

TEST_F(RenewalTest, AnOcspResponseIsRefreshed) {
  const CertificateFiles files = certificates().Issue();
  const CertificateFiles other = certificates().Issue({.name = "other"});
  const std::string served = dir().PathOf("served.ocsp");
  // One of another certificate, as after a renewal that was faster than the responder.
  AuthorityFiles authority_of_other(dir(), "ca");
  authority_of_other.NoteIssued(other.certificate);
  Copy(authority_of_other.MakeOcspResponse(other.certificate, "other.ocsp"), served);
  ASSERT_NO_FATAL_FAILURE(StartSidecarWith(files, backend_.address(), {"--ocsp", served}));
  const auto warning = tlsbridge().WaitForEvent("tls_warning");
  ASSERT_TRUE(warning.has_value());
  EXPECT_THAT((*warning)["message"],
              AllOf(HasSubstr(served), HasSubstr("is not for the certificate in")));
  const auto ask = [this] {
    return SClient(tlsbridge().address(), certificates().authority_certificate(), {"-status"})
        .output;
  };
  EXPECT_THAT(ask(), HasSubstr("OCSP response: no response sent"));
  AuthorityFiles authority(dir(), "ca");
  authority.NoteIssued(files.certificate);
  Copy(authority.MakeOcspResponse(files.certificate, "good.ocsp"), served);
  ASSERT_TRUE(WaitForRenewed(1));
  EXPECT_THAT(ask(), HasSubstr("Cert Status: good"));
}

TEST_F(RenewalTest, TicketKeysAreReadAgain) {
  const std::string keys = dir().WriteFile("keys", std::string(64, 'A') + "\n");
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), {"--tickets", "file:" + keys}));
  dir().WriteFile("keys", std::string(64, 'B') + "\n" + std::string(64, 'A') + "\n");
  ASSERT_TRUE(WaitForRenewed(1));
  EXPECT_EQ(tlsbridge().Events("renewed")[0]["files"], keys);
  dir().WriteFile("keys", "no keys\n");
  ASSERT_TRUE(tlsbridge().WaitForEvent("renewal_refused"));
}

// The soft limit on the size of a core dump.
std::string CoreLimit(Process& process) {
  return RunToEnd({"sh", "-c",
                   absl::StrCat("prlimit --core --noheadings --raw --output SOFT --pid ",
                                process.pid())})
      .value_or("failed");
}

TEST_F(RenewalTest, NoCoreDumpHoldsAKeyUnlessItIsAskedFor) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizers turn core dumps off by themselves";
#endif
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  // The kernel writes no file as small as that, and starts no program for it.
  EXPECT_THAT(CoreLimit(tlsbridge().process()), testing::AnyOf("1\n", "0\n"));
  EXPECT_EQ(tlsbridge().Stop(), 0);
  TlsbridgeOptions options;
  const CertificateFiles files = certificates().Issue();
  options.arguments = {"--backend", backend_.address(), "--cert",      files.certificate,
                       "--key",     files.key,          "--core-dumps"};
  options.wrapper = {"prlimit", "--core=7777"};
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(options));
  EXPECT_EQ(CoreLimit(tlsbridge().process()), "7777\n");
}

TEST_F(RenewalTest, WhatExpiresSoonIsToldAfterAReloadAndOnce) {
  const CertificateFiles soon =
      certificates().Issue({.name = "soon", .alt_names = {"DNS:soon.internal"}});
  AuthorityFiles(dir(), "ca")
      .Reissue(
          soon, "20200101000000Z",
          absl::FormatTime("%Y%m%d%H%M%SZ", absl::Now() + absl::Hours(24), absl::UTCTimeZone()));
  ASSERT_NO_FATAL_FAILURE(StartRun(Yaml(At(main_))));
  const std::string more =
      absl::StrCat(Yaml(At(main_)),
                   "  - name: soon\n"
                   "    match: {domains: [soon.internal]}\n"
                   "    tls: {certificates: [{cert: soon.crt, key: soon.key}]}\n"
                   "    backends: [{address: \"",
                   backend_.address(), "\"}]\n");
  EXPECT_EQ(ReloadWith(more)["event"], "reloaded");
  const auto told = tlsbridge().WaitForEvents("certificate_expires_soon", 1);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0]["route"], "soon");
  EXPECT_EQ(ReloadWith(more)["event"], "reloaded");
  EXPECT_EQ(ReloadWith(Yaml(At(main_)))["event"], "reloaded");
  EXPECT_EQ(tlsbridge().WaitForEvents("certificate_expires_soon", 1).size(), 1u);
}

}  // namespace
}  // namespace tlsbridge::e2e
