// What the flags say about versions, ciphers, groups and application protocols, as clients see it.

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

class NegotiationTest : public TlsbridgeTest {
 protected:
  void Start(const std::vector<std::string>& arguments) {
    StartSidecar(backend_.address(), arguments);
  }
  OpensslResult Run(const std::vector<std::string>& arguments) {
    return SClient(tlsbridge().address(), certificates().authority_certificate(), arguments);
  }
  // The record of the connection numbered from 0, in the order of their ends.
  nlohmann::json End(size_t number) {
    const auto ended = tlsbridge().WaitForConnections(number + 1);
    return ended.size() == number + 1 ? ended[number] : nlohmann::json::object();
  }

  TcpBackend backend_{[](Socket& connection) { (void)connection.ReadToEnd(); }};
};

TEST_F(NegotiationTest, TheServersOrderOfApplicationProtocolsCounts) {
  ASSERT_NO_FATAL_FAILURE(Start({"--alpn", "h2", "--alpn", "http/1.1"}));
  EXPECT_THAT(Run({"-alpn", "http/1.1,h2"}).output, HasSubstr("ALPN protocol: h2"));
  EXPECT_EQ(End(0)["alpn"], "h2");
  EXPECT_THAT(Run({"-tls1_2", "-alpn", "http/1.1"}).output, HasSubstr("ALPN protocol: http/1.1"));
  const OpensslResult silent = Run({});
  EXPECT_EQ(silent.exit_code, 0) << "who offers none is served without";
  EXPECT_THAT(silent.output, HasSubstr("No ALPN negotiated"));
}

TEST_F(NegotiationTest, GnutlsAgreesOnTheApplicationProtocol) {
  ASSERT_NO_FATAL_FAILURE(Start({"--alpn", "h2", "--alpn", "http/1.1"}));
  const auto output =
      RunToEnd({"gnutls-cli", "--x509cafile", certificates().authority_certificate(), "--alpn",
                "http/1.1", "--port", absl::StrCat(tlsbridge().Port()), "localhost"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(*output, HasSubstr("Application protocol: http/1.1"));
}

TEST_F(NegotiationTest, AClientThatOffersOnlyOtherApplicationProtocolsIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Start({"--alpn", "h2"}));
  const OpensslResult result = Run({"-alpn", "spdy/3"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.output, HasSubstr("no application protocol"));
  EXPECT_EQ(End(0)["detail"], "no_shared_alpn");
  EXPECT_EQ(End(0)["alpn_offered"], "spdy/3");
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(NegotiationTest, WithoutApplicationProtocolsWhatIsOfferedIsIgnored) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  const OpensslResult result = Run({"-alpn", "h2"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, HasSubstr("No ALPN negotiated"));
}

TEST_F(NegotiationTest, Tls13CanBeTheOldestVersion) {
  ASSERT_NO_FATAL_FAILURE(Start({"--min-tls=1.3"}));
  const OpensslResult old = Run({"-tls1_2"});
  EXPECT_NE(old.exit_code, 0);
  EXPECT_THAT(old.output, HasSubstr("alert protocol version"));
  EXPECT_EQ(End(0)["detail"], "no_shared_version");
  EXPECT_EQ(Run({}).exit_code, 0);
  EXPECT_EQ(End(1)["tls"], "TLSv1.3");
}

TEST_F(NegotiationTest, Tls12CanBeTheNewestVersion) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-tls=1.2"}));
  const OpensslResult strict = Run({"-tls1_3"});
  EXPECT_NE(strict.exit_code, 0);
  EXPECT_THAT(strict.output, HasSubstr("alert protocol version"));
  EXPECT_EQ(Run({}).exit_code, 0);
  EXPECT_EQ(End(1)["tls"], "TLSv1.2");
}

TEST_F(NegotiationTest, OnlyTheGivenCiphersAreTakenAndInTheirOrder) {
  ASSERT_NO_FATAL_FAILURE(
      Start({"--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"}));
  EXPECT_EQ(
      Run({"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"})
          .exit_code,
      0);
  EXPECT_EQ(End(0)["cipher"], "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
  EXPECT_NE(Run({"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"}).exit_code, 0);
  EXPECT_EQ(End(1)["detail"], "no_shared_cipher");
}

TEST_F(NegotiationTest, OnlyTheGivenGroupsAreTaken) {
  ASSERT_NO_FATAL_FAILURE(Start({"--groups", "P-256"}));
  EXPECT_EQ(Run({"-groups", "X25519:P-256"}).exit_code, 0);
  EXPECT_EQ(End(0)["group"], "P-256");
  EXPECT_NE(Run({"-groups", "X25519"}).exit_code, 0);
  EXPECT_EQ(End(1)["detail"], "no_shared_group");
}

TEST_F(NegotiationTest, WithABackendThatSpeaksTlsOnlyWhatItMaySpeakIsAgreedOn) {
  const CertificateFiles files = certificates().Issue({.name = "peer", .alt_names = {"DNS:peer"}});
  auto peer = SServer::Start(files);
  ASSERT_TRUE(peer.ok()) << peer.status();
  ASSERT_NO_FATAL_FAILURE(StartSidecar(
      (*peer)->address(),
      {"--alpn", "h2", "--alpn", "http/1.1", "--backend-alpn", "http/1.1", "--backend-insecure"}));
  EXPECT_THAT(Run({"-alpn", "h2,http/1.1"}).output, HasSubstr("ALPN protocol: http/1.1"));
}

}  // namespace
}  // namespace tlsbridge::e2e
