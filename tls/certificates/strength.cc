#include "tls/certificates/strength.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>

#include "absl/strings/str_cat.h"
#include "tls/certificates/key_kind.h"

namespace tlsbridge::tls {
namespace {

constexpr unsigned kExplicit0 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;

bool IsStrongDigest(int nid) {
  return nid == NID_sha224 || nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

// The digest of RSASSA-PSS-params (RFC 4055 section 3.1), where none means SHA-1.
int PssDigest(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* unused = nullptr;
  int type = V_ASN1_UNDEF;
  const void* value = nullptr;
  X509_ALGOR_get0(&unused, &type, &value, algorithm);
  if (type != V_ASN1_SEQUENCE) return NID_undef;
  const auto* const der = static_cast<const ASN1_STRING*>(value);
  CBS cbs;
  CBS params;
  CBS wrapped;
  CBS hash;
  CBS oid;
  int given = 0;
  CBS_init(&cbs, ASN1_STRING_get0_data(der), static_cast<size_t>(ASN1_STRING_length(der)));
  if (!CBS_get_asn1(&cbs, &params, CBS_ASN1_SEQUENCE) ||
      !CBS_get_optional_asn1(&params, &wrapped, &given, kExplicit0)) {
    return NID_undef;
  }
  if (given == 0) return NID_sha1;
  if (!CBS_get_asn1(&wrapped, &hash, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&hash, &oid, CBS_ASN1_OBJECT)) {
    return NID_undef;
  }
  return OBJ_cbs2nid(&oid);
}

}  // namespace

KeyStrength StrengthOf(const EVP_PKEY* key) {
  if (key == nullptr) return KeyStrength::kOfOtherKind;
  if (EVP_PKEY_id(key) == EVP_PKEY_ED25519) return KeyStrength::kGood;
  const auto kind = KindOf(key);
  if (!kind.has_value()) return KeyStrength::kOfOtherKind;
  const bool small = *kind == KeyKind::kRsa && EVP_PKEY_bits(key) < kMinRsaBits;
  return small ? KeyStrength::kTooSmall : KeyStrength::kGood;
}

KeyStrength KeyStrengthOf(const X509* certificate) {
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(const_cast<X509*>(certificate)));
  if (key == nullptr) ERR_clear_error();
  return StrengthOf(key.get());
}

bool HasStrongSignature(const X509* certificate) {
  const int signature = X509_get_signature_nid(certificate);
  if (signature == NID_ED25519) return true;
  if (signature == NID_rsassaPss) {
    const X509_ALGOR* algorithm = nullptr;
    X509_get0_signature(nullptr, &algorithm, certificate);
    return IsStrongDigest(PssDigest(algorithm));
  }
  int digest = NID_undef;
  int key = NID_undef;
  return OBJ_find_sigid_algs(signature, &digest, &key) == 1 && IsStrongDigest(digest);
}

std::string WeaknessOf(const X509* certificate, bool is_anchor) {
  switch (KeyStrengthOf(certificate)) {
    case KeyStrength::kTooSmall: {
      const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(const_cast<X509*>(certificate)));
      return absl::StrCat("has an RSA key of ", EVP_PKEY_bits(key.get()), " bits; the minimum is ",
                          kMinRsaBits);
    }
    case KeyStrength::kOfOtherKind:
      return "has a key that is neither RSA, ECDSA with P-256, P-384 or P-521, nor Ed25519";
    case KeyStrength::kGood:
      break;
  }
  if (is_anchor || HasStrongSignature(certificate)) return "";
  const char* name = OBJ_nid2sn(X509_get_signature_nid(certificate));
  return absl::StrCat("is signed with ", name == nullptr ? "an unknown algorithm" : name);
}

}  // namespace tlsbridge::tls
