// `tlsbridge run`: one port where SNI chooses between TLS that ends here and TLS that is passed on.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/openssl.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

class PassthroughTest : public TlsbridgeTest {
 protected:
  // *.passed goes to `passed`; the name "ended" and, if wanted, no name end here.
  void Start(const std::string& passed, bool also_without_name = true) {
    const CertificateFiles ours = certificates().Issue({.name = "ours"});
    const std::string path = dir().WriteFile(
        "tlsbridge.yaml",
        absl::StrCat(
            "listeners: [{address: '127.0.0.1:0'}]\nlog: {format: json}\nroutes:\n"
            "- name: passed\n  match: {domains: ['*.passed']}\n"
            "  tls: {mode: passthrough}\n  backends: [{address: '",
            passed, "'}]\n- name: ended\n  match: {domains: [", also_without_name ? "'*'" : "ended",
            "]}\n  tls:\n    certificates: [{cert: ", ours.certificate, ", key: ", ours.key,
            "}]\n  backends: [{address: '", plain_.address(), "'}]\n"));
    StartTlsbridge({.subcommand = "run", .listen = {}, .arguments = {"--config", path}});
  }
  OpensslResult Run(const std::string& authority, const std::vector<std::string>& arguments) {
    return SClient(tlsbridge().address(), authority, arguments);
  }

  TcpBackend plain_{[](Socket& connection) { (void)connection.Write("plain"); }};
  TempDir backends_dir_;
  Certificates backends_{backends_dir_, "backends"};
};

TEST_F(PassthroughTest, TheClientSeesTheBackendsOwnCertificate) {
  auto backend = SServer::Start(backends_.Issue({.name = "theirs"}));
  ASSERT_TRUE(backend.ok()) << backend.status();
  ASSERT_NO_FATAL_FAILURE(Start((*backend)->address()));
  const OpensslResult passed = Run(backends_.authority_certificate(), {"-servername", "a.passed"});
  EXPECT_EQ(passed.exit_code, 0) << passed.output;
  EXPECT_THAT(passed.output, HasSubstr("subject=CN = theirs"));
  const OpensslResult ended = Run(certificates().authority_certificate(), {"-servername", "ended"});
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("subject=CN = ours"));
  EXPECT_THAT(Run(certificates().authority_certificate(), {"-noservername"}).output,
              HasSubstr("subject=CN = ours"));
  const auto ends = tlsbridge().WaitForConnections(3);
  ASSERT_EQ(ends.size(), 3u);
  const auto& end =
      *std::find_if(ends.begin(), ends.end(), [](const auto& e) { return e["route"] == "passed"; });
  EXPECT_EQ(end["sni"], "a.passed");
  EXPECT_FALSE(end.contains("tls")) << "nobody here knows what was agreed on";
}

TEST_F(PassthroughTest, NotAByteIsChangedEitherWayHoweverTheHelloIsSplit) {
  TcpBackend backend([](Socket& connection) {
    const auto all = connection.ReadToEnd();
    if (all.ok()) (void)connection.Write(*all);
  });
  ASSERT_NO_FATAL_FAILURE(Start(backend.address()));
  // A ClientHello of BoringSSL's, and then bytes that are no TLS.
  bssl::UniquePtr<SSL_CTX> ctx(SSL_CTX_new(TLS_method()));
  bssl::UniquePtr<SSL> ssl(SSL_new(ctx.get()));
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  SSL_set_tlsext_host_name(ssl.get(), "b.passed");
  SSL_connect(ssl.get());
  const uint8_t* data = nullptr;
  size_t length = 0;
  ASSERT_EQ(BIO_mem_contents(out, &data, &length), 1);
  const std::string sent =
      std::string(reinterpret_cast<const char*>(data), length) + "whatever follows";
  for (const size_t piece : {size_t{1}, size_t{5}, size_t{100}, sent.size()}) {
    auto client = Socket::Connect(tlsbridge().address());
    ASSERT_TRUE(client.ok()) << client.status();
    for (size_t at = 0; at < sent.size(); at += piece) {
      ASSERT_TRUE(client->Write(sent.substr(at, piece)).ok());
    }
    client->ShutdownWrite();
    EXPECT_EQ(client->ReadToEnd().value_or("failed"), sent) << "in pieces of " << piece;
  }
}

TEST_F(PassthroughTest, ANameOfNoRouteIsRefusedWithAnAlert) {
  ASSERT_NO_FATAL_FAILURE(Start(plain_.address(), /*also_without_name=*/false));
  for (const char* name : {"stranger", ""}) {
    auto client = TlsClient::Connect(tlsbridge().address(), {.server_name = name});
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_FALSE(client->Handshake().ok());
    EXPECT_EQ(client->alert(), SSL_AD_UNRECOGNIZED_NAME) << name;
  }
  for (const auto& end : tlsbridge().WaitForConnections(2)) {
    EXPECT_EQ(end["reason"], "no_route");
    EXPECT_EQ(end.contains("hint"), end["sni"] == "") << "what to do about clients without a name";
  }
  EXPECT_EQ(plain_.connections_accepted(), 0);
}

}  // namespace
}  // namespace tlsbridge::e2e
