#include "tls/certificates/development_ca.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/status/status.h"

namespace tlsbridge::tls {
namespace {

constexpr absl::Duration kBackdated = absl::Hours(1);  // clocks differ
constexpr absl::Duration kValidFor = absl::Hours(24 * 7);

bssl::UniquePtr<EVP_PKEY> MakeP256Key() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (ec == nullptr || key == nullptr || EC_KEY_generate_key(ec.get()) != 1 ||
      EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) != 1) {
    return nullptr;
  }
  return key;
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, const_cast<char*>(value)));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool SetSubject(X509* certificate, const char* common_name) {
  X509_NAME* name = X509_get_subject_name(certificate);
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                    reinterpret_cast<const uint8_t*>(common_name), -1, -1, 0) == 1;
}

// A certificate for `key` without extensions or signature, its issuer `issuer`, or itself if null.
bssl::UniquePtr<X509> MakeUnsigned(const char* common_name, EVP_PKEY* key, X509* issuer,
                                   absl::Time now) {
  bssl::UniquePtr<X509> certificate(X509_new());
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<uint8_t*>(&serial), sizeof(serial));
  if (certificate == nullptr || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1 || !SetSubject(certificate.get(), common_name) ||
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(now - kBackdated)) ==
          nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(now + kValidFor)) ==
          nullptr) {
    return nullptr;
  }
  X509* named_by = issuer == nullptr ? certificate.get() : issuer;
  if (X509_set_issuer_name(certificate.get(), X509_get_subject_name(named_by)) != 1) return nullptr;
  return certificate;
}

std::string ToPem(X509* certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  const uint8_t* data = nullptr;
  size_t length = 0;
  if (PEM_write_bio_X509(bio.get(), certificate) != 1 ||
      BIO_mem_contents(bio.get(), &data, &length) != 1) {
    return {};
  }
  return std::string(reinterpret_cast<const char*>(data), length);
}

}  // namespace

absl::StatusOr<DevelopmentIdentity> MakeDevelopmentIdentity(absl::Time now) {
  const absl::Status failed = absl::InternalError("BoringSSL could not make a certificate");
  bssl::UniquePtr<EVP_PKEY> ca_key = MakeP256Key();
  bssl::UniquePtr<EVP_PKEY> leaf_key = MakeP256Key();
  if (ca_key == nullptr || leaf_key == nullptr) return failed;

  bssl::UniquePtr<X509> ca =
      MakeUnsigned("tlsbridge development CA", ca_key.get(), /*issuer=*/nullptr, now);
  if (ca == nullptr ||
      !AddExtension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !AddExtension(ca.get(), ca.get(), NID_subject_key_identifier, "hash") ||
      X509_sign(ca.get(), ca_key.get(), EVP_sha256()) == 0) {
    return failed;
  }

  bssl::UniquePtr<X509> leaf = MakeUnsigned("localhost", leaf_key.get(), ca.get(), now);
  if (leaf == nullptr ||
      !AddExtension(leaf.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(leaf.get(), ca.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(leaf.get(), ca.get(), NID_ext_key_usage, "serverAuth") ||
      !AddExtension(leaf.get(), ca.get(), NID_authority_key_identifier, "keyid") ||
      !AddExtension(leaf.get(), ca.get(), NID_subject_alt_name,
                    "DNS:localhost,IP:127.0.0.1,IP:::1") ||
      X509_sign(leaf.get(), ca_key.get(), EVP_sha256()) == 0) {
    return failed;
  }

  DevelopmentIdentity identity;
  identity.ca_pem = ToPem(ca.get());
  if (identity.ca_pem.empty()) return failed;
  identity.localhost.chain.push_back(std::move(leaf));
  identity.localhost.key = std::move(leaf_key);
  return identity;
}

}  // namespace tlsbridge::tls
