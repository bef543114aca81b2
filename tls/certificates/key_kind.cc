#include "tls/certificates/key_kind.h"

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

namespace tlsbridge::tls {

std::optional<KeyKind> KindOf(const EVP_PKEY* key) {
  if (EVP_PKEY_id(key) == EVP_PKEY_RSA) return KeyKind::kRsa;
  const EC_KEY* ec = EVP_PKEY_id(key) == EVP_PKEY_EC ? EVP_PKEY_get0_EC_KEY(key) : nullptr;
  if (ec == nullptr) return std::nullopt;
  switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(ec))) {
    case NID_X9_62_prime256v1:
      return KeyKind::kEcdsaP256;
    case NID_secp384r1:
      return KeyKind::kEcdsaP384;
    case NID_secp521r1:
      return KeyKind::kEcdsaP521;
    default:
      return std::nullopt;
  }
}

const char* KeyKindName(KeyKind kind) {
  switch (kind) {
    case KeyKind::kEcdsaP256:
      return "ECDSA P-256";
    case KeyKind::kEcdsaP384:
      return "ECDSA P-384";
    case KeyKind::kEcdsaP521:
      return "ECDSA P-521";
    case KeyKind::kRsa:
      return "RSA";
  }
  return "";
}

}  // namespace tlsbridge::tls
