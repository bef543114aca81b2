#include "tests/tls/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "gtest/gtest.h"

namespace tlsbridge::testing {
namespace {

constexpr int kHour = 3600;

std::string Contents(BIO* bio) {
  const uint8_t* data;
  size_t length;
  BIO_mem_contents(bio, &data, &length);
  return std::string(reinterpret_cast<const char*>(data), length);
}

void AddSubject(X509_NAME* name, const char* field, const std::string& value) {
  if (value.empty()) return;
  ASSERT_EQ(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                       reinterpret_cast<const uint8_t*>(value.c_str()), -1, -1, 0),
            1);
}

void AddExtension(X509* certificate, int nid, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, const_cast<char*>(value.c_str())));
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension.get(), -1);
}

void AddTlsFeature(X509* certificate) {
  static constexpr uint8_t kStatusRequest[] = {0x30, 0x03, 0x02, 0x01, 0x05};
  const bssl::UniquePtr<ASN1_OBJECT> oid(OBJ_txt2obj("1.3.6.1.5.5.7.1.24", 1));
  const bssl::UniquePtr<ASN1_OCTET_STRING> octets(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(octets.get(), kStatusRequest, sizeof(kStatusRequest));
  const bssl::UniquePtr<X509_EXTENSION> extension(
      X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), /*crit=*/0, octets.get()));
  X509_add_ext(certificate, extension.get(), -1);
}

bssl::UniquePtr<EVP_PKEY> EcdsaKey(int curve) {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve));
  EC_KEY_generate_key(ec.get());
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  EVP_PKEY_set1_EC_KEY(key.get(), ec.get());
  return key;
}

bssl::UniquePtr<EVP_PKEY> Ed25519Key() {
  uint8_t seed[32];
  RAND_bytes(seed, sizeof(seed));
  return bssl::UniquePtr<EVP_PKEY>(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed, sizeof(seed)));
}

bssl::UniquePtr<EVP_PKEY> RsaKey(int bits) {
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<BIGNUM> e(BN_new());
  BN_set_word(e.get(), RSA_F4);
  RSA_generate_key_ex(rsa.get(), bits, e.get(), nullptr);
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  EVP_PKEY_set1_RSA(key.get(), rsa.get());
  return key;
}

void SetTime(ASN1_TIME* target, absl::Time time, int default_offset) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) {
    X509_gmtime_adj(target, default_offset);
  } else {
    ASN1_TIME_set(target, absl::ToTimeT(time));
  }
}

bssl::UniquePtr<EVP_PKEY> KeyOf(const CertificateShape& shape) {
  if (shape.ed25519) return Ed25519Key();
  if (shape.rsa) return RsaKey(shape.rsa_bits);
  return EcdsaKey(shape.curve == 0 ? NID_X9_62_prime256v1 : shape.curve);
}

}  // namespace

std::string TestCertificate::CrlPem(const std::vector<const TestCertificate*>& revoked,
                                    absl::Duration next_update, absl::Duration last_update,
                                    absl::Time now) const {
  bssl::UniquePtr<X509_CRL> crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(certificate.get()));
  bssl::UniquePtr<ASN1_TIME> time(ASN1_TIME_new());
  const auto set_time = [&time, now](absl::Duration from_now) {
    if (now == absl::InfinitePast()) {
      X509_gmtime_adj(time.get(), absl::ToInt64Seconds(from_now));
    } else {
      ASN1_TIME_set(time.get(), absl::ToTimeT(now + from_now));
    }
  };
  set_time(last_update);
  X509_CRL_set1_lastUpdate(crl.get(), time.get());
  set_time(next_update);
  X509_CRL_set1_nextUpdate(crl.get(), time.get());
  for (const TestCertificate* one : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(one->certificate.get()));
    X509_REVOKED_set_revocationDate(entry, time.get());
    X509_CRL_add0_revoked(crl.get(), entry);  // takes it
  }
  EXPECT_NE(X509_CRL_sign(crl.get(), key.get(), EVP_sha256()), 0);
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), crl.get());
  return Contents(bio.get());
}

std::string TestCertificate::CertificatePem() const {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate.get());
  return Contents(bio.get());
}

std::string TestCertificate::KeyPem() const {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return Contents(bio.get());
}

TestCertificate MakeCertificate(const CertificateShape& shape, const TestCertificate* issuer) {
  TestCertificate made;
  made.key = KeyOf(shape);

  made.certificate.reset(X509_new());
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<uint8_t*>(&serial), sizeof(serial));
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial);
  SetTime(X509_getm_notBefore(certificate), shape.not_before, -kHour);
  SetTime(X509_getm_notAfter(certificate), shape.not_after,
          static_cast<int>(absl::ToInt64Seconds(shape.lives_for)));
  X509_set_pubkey(certificate, made.key.get());
  AddSubject(X509_get_subject_name(certificate), "OU", shape.organizational_unit);
  AddSubject(X509_get_subject_name(certificate), "CN", shape.common_name);
  X509_set_issuer_name(
      certificate,
      X509_get_subject_name(issuer == nullptr ? certificate : issuer->certificate.get()));
  if (shape.basic_constraints.empty()) {
    AddExtension(certificate, NID_basic_constraints, shape.ca ? "critical,CA:TRUE" : "CA:FALSE");
  } else if (shape.basic_constraints != "none") {
    AddExtension(certificate, NID_basic_constraints, shape.basic_constraints);
  }
  const char* const usage = shape.ca ? "critical,keyCertSign,cRLSign" : "";
  AddExtension(certificate, NID_key_usage, shape.key_usage.empty() ? usage : shape.key_usage);
  if (!shape.ca) AddExtension(certificate, NID_ext_key_usage, shape.extended_usage);
  AddExtension(certificate, NID_subject_alt_name, shape.alternative_names);
  if (shape.must_staple) AddTlsFeature(certificate);
  EVP_PKEY* const signer = issuer == nullptr ? made.key.get() : issuer->key.get();
  const bool by_ed25519 = EVP_PKEY_id(signer) == EVP_PKEY_ED25519;
  EXPECT_NE(X509_sign(certificate, signer, by_ed25519 ? nullptr : shape.digest), 0);
  return made;
}

}  // namespace tlsbridge::testing
