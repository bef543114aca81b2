#include "tls/certificates/certificate_uses.h"

#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::CertificateShape;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

std::string Warnings(CertificateUse use, const CertificateShape& shape,
                     const CertificateShape& ca_shape = {.common_name = "ca", .ca = true},
                     int copies = 1) {
  const TestCertificate root = MakeCertificate({.common_name = "root", .ca = true}, nullptr);
  const TestCertificate ca = MakeCertificate(ca_shape, &root);
  const TestCertificate leaf = MakeCertificate(shape, &ca);
  KeyPair pair;
  pair.name = "tls.crt";
  pair.chain.push_back(bssl::UpRef(leaf.certificate));
  for (int i = 0; i < copies; ++i) pair.chain.push_back(bssl::UpRef(ca.certificate));
  WarnOfUse(use, &pair);
  return absl::StrJoin(pair.warnings, "; ");
}

TEST(CertificateUsesTest, WarnsOfWhatPeersWillRefuse) {
  const CertificateShape server = {.extended_usage = "serverAuth"};
  EXPECT_EQ(Warnings(CertificateUse::kServer, server), "");
  EXPECT_EQ(Warnings(CertificateUse::kServer, {.extended_usage = ""}), "");
  EXPECT_EQ(Warnings(CertificateUse::kServer, {.extended_usage = "anyExtendedKeyUsage"}), "");
  EXPECT_EQ(Warnings(CertificateUse::kClient, {.extended_usage = "clientAuth"}), "");
  EXPECT_EQ(Warnings(CertificateUse::kServer, {.extended_usage = "clientAuth"}),
            "tls.crt: its extended key usage lacks serverAuth, so clients will reject it");
  EXPECT_EQ(Warnings(CertificateUse::kClient, server),
            "tls.crt: its extended key usage lacks clientAuth, so backends will reject it");
  EXPECT_EQ(Warnings(CertificateUse::kServer,
                     {.extended_usage = "serverAuth", .key_usage = "keyEncipherment"}),
            "tls.crt: its key usage lacks digitalSignature, so peers will reject its signatures");
  EXPECT_EQ(
      Warnings(CertificateUse::kServer, {.extended_usage = "serverAuth", .digest = EVP_sha1()}),
      "tls.crt: certificate 1 in it is signed with ecdsa-with-SHA1, so peers reject it");
  EXPECT_EQ(
      Warnings(CertificateUse::kServer, server,
               {.common_name = "ca", .ca = true, .rsa = true, .rsa_bits = 1024}),
      "tls.crt: certificate 2 in it has an RSA key of 1024 bits; the minimum is 2048, so peers "
      "reject it");
  EXPECT_TRUE(absl::StrContains(
      Warnings(CertificateUse::kServer, server, {.common_name = "ca", .ca = true}, /*copies=*/200),
      "more than many peers take"));
}

TEST(CertificateUsesTest, KnowsThatAStapleIsDemanded) {
  const TestCertificate plain = MakeCertificate({}, nullptr);
  EXPECT_FALSE(MustStaple(plain.certificate.get()));
  const bssl::UniquePtr<ASN1_OBJECT> oid(OBJ_txt2obj("1.3.6.1.5.5.7.1.24", 1));
  for (const bool demanded : {false, true}) {
    const TestCertificate made = MakeCertificate({}, nullptr);
    // SEQUENCE { INTEGER 17 } and SEQUENCE { INTEGER 17, INTEGER 5 }
    const std::string value =
        demanded ? "\x30\x06\x02\x01\x11\x02\x01\x05" : "\x30\x03\x02\x01\x11";
    const bssl::UniquePtr<ASN1_OCTET_STRING> octets(ASN1_OCTET_STRING_new());
    ASN1_OCTET_STRING_set(octets.get(), reinterpret_cast<const uint8_t*>(value.data()),
                          static_cast<int>(value.size()));
    const bssl::UniquePtr<X509_EXTENSION> extension(
        X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 0, octets.get()));
    X509_add_ext(made.certificate.get(), extension.get(), -1);
    EXPECT_EQ(MustStaple(made.certificate.get()), demanded);
  }
}

}  // namespace
}  // namespace tlsbridge::tls
