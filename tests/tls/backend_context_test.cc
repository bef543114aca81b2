// What a route's sessions with its backends are made of: tls/backend_context.h.

#include "tls/backend_context.h"

#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

TEST(BackendOptionsTest, SaysWhatIsWrong) {
  const TestCertificate ca = MakeCertificate({.common_name = "CA", .ca = true}, nullptr);
  const auto message = [&ca](const std::function<void(BackendOptions*)>& change) {
    BackendOptions options;
    options.trust.ca_pem = ca.CertificatePem();
    options.trust.ca_name = "ca.crt";
    options.verify_name = "orders.internal";
    change(&options);
    return std::string(BackendContext::Create(options).status().message());
  };
  EXPECT_EQ(message([](BackendOptions*) {}), "");
  EXPECT_EQ(message([](BackendOptions* o) { o->verify_name = ""; }),
            "verify_name: '' is neither a DNS name nor an IP address");
  EXPECT_EQ(message([](BackendOptions* o) { o->verify_name = "*.internal"; }),
            "verify_name: '*.internal' is neither a DNS name nor an IP address");
  EXPECT_EQ(message([](BackendOptions* o) { o->server_name = "10.0.0.7"; }),
            "server_name: '10.0.0.7' is not a DNS name (RFC 6066 section 3)");
  EXPECT_EQ(message([](BackendOptions* o) {
              o->alpn = {"h2", ""};
            }),
            "alpn: \"\" must have from 1 to 255 bytes");
  EXPECT_EQ(message([](BackendOptions* o) { o->trust.ca_pem = "rubbish"; }),
            "ca.crt: holds no PEM certificate (no BEGIN CERTIFICATE line)");
  EXPECT_EQ(message([](BackendOptions* o) {
              o->min_version = ProtocolVersion::kTls13;
              o->max_version = ProtocolVersion::kTls12;
            }),
            "min_version is newer than max_version");
}

TEST(BackendOptionsTest, WithoutCasThoseOfTheSystemAreTrustedIfThereAreAny) {
  BackendOptions options;
  options.verify_name = "orders.internal";
  const auto made = BackendContext::Create(options);
  if (TrustStore::OfSystem().ok()) {
    EXPECT_TRUE(made.ok());
  } else {
    EXPECT_EQ(made.status().message(),
              "no CA bundle on this system; looked for /etc/ssl/certs/ca-certificates.crt, "
              "/etc/pki/tls/certs/ca-bundle.crt, /etc/ssl/cert.pem");
  }
}

}  // namespace
}  // namespace tlsbridge::tls
