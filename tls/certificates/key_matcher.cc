#include "tls/certificates/key_matcher.h"

#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/ssl.h>

#include <algorithm>

namespace tlsbridge::tls {
namespace {

bool IsRsa(KeyKind kind) { return kind == KeyKind::kRsa; }

uint16_t GroupOf(KeyKind kind) {
  switch (kind) {
    case KeyKind::kEcdsaP256:
      return SSL_GROUP_SECP256R1;
    case KeyKind::kEcdsaP384:
      return SSL_GROUP_SECP384R1;
    case KeyKind::kEcdsaP521:
      return SSL_GROUP_SECP521R1;
    case KeyKind::kRsa:
      return 0;
  }
  return 0;
}

// TLS 1.3 has no PKCS #1 v1.5, and ties each hash of ECDSA to a curve (RFC 8446 section 4.2.3).
bool SignsInTls13(KeyKind kind, uint16_t signature) {
  switch (kind) {
    case KeyKind::kEcdsaP256:
      return signature == SSL_SIGN_ECDSA_SECP256R1_SHA256;
    case KeyKind::kEcdsaP384:
      return signature == SSL_SIGN_ECDSA_SECP384R1_SHA384;
    case KeyKind::kEcdsaP521:
      return signature == SSL_SIGN_ECDSA_SECP521R1_SHA512;
    case KeyKind::kRsa:
      return SSL_is_signature_algorithm_rsa_pss(signature) == 1;
  }
  return false;
}

bool SignsInTls12(KeyKind kind, uint16_t signature) {
  return SSL_get_signature_algorithm_key_type(signature) ==
         (IsRsa(kind) ? EVP_PKEY_RSA : EVP_PKEY_EC);
}

bool Contains(absl::Span<const uint16_t> list, uint16_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool Intersect(absl::Span<const uint16_t> ours, absl::Span<const uint16_t> theirs) {
  return std::any_of(theirs.begin(), theirs.end(),
                     [ours](uint16_t value) { return Contains(ours, value); });
}

}  // namespace

KeyMatcher::KeyMatcher(const SSL_CTX* ctx, absl::Span<const uint16_t> signatures)
    : min_version_(SSL_CTX_get_min_proto_version(ctx)),
      max_version_(SSL_CTX_get_max_proto_version(ctx)) {
  for (const KeyKind kind :
       {KeyKind::kEcdsaP256, KeyKind::kEcdsaP384, KeyKind::kEcdsaP521, KeyKind::kRsa}) {
    Needs& needs = needs_[static_cast<size_t>(kind)];
    for (const uint16_t signature : signatures) {
      if (SignsInTls13(kind, signature)) needs.tls13_signatures.push_back(signature);
      if (SignsInTls12(kind, signature)) needs.tls12_signatures.push_back(signature);
    }
    const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(ctx);
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
      const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
      if (SSL_CIPHER_get_auth_nid(cipher) == (IsRsa(kind) ? NID_auth_rsa : NID_auth_ecdsa)) {
        needs.tls12_ciphers.push_back(SSL_CIPHER_get_protocol_id(cipher));
      }
    }
    needs.tls12_group = GroupOf(kind);
  }
}

bool KeyMatcher::UsableByAny(KeyKind kind) const {
  const Needs& needs = needs_[static_cast<size_t>(kind)];
  return (Allows(TLS1_3_VERSION) && !needs.tls13_signatures.empty()) ||
         (Allows(TLS1_2_VERSION) && !needs.tls12_signatures.empty() &&
          !needs.tls12_ciphers.empty());
}

bool KeyMatcher::VerifiableBy(const ClientHello& hello, KeyKind kind) const {
  const Needs& needs = needs_[static_cast<size_t>(kind)];
  const bool is_tls13 = Allows(TLS1_3_VERSION) && Contains(hello.versions, TLS1_3_VERSION);
  return Intersect(is_tls13 ? needs.tls13_signatures : needs.tls12_signatures,
                   hello.signature_algorithms);
}

bool KeyMatcher::UsableBy(const ClientHello& hello, KeyKind kind) const {
  const Needs& needs = needs_[static_cast<size_t>(kind)];
  if (!VerifiableBy(hello, kind)) return false;
  if (Allows(TLS1_3_VERSION) && Contains(hello.versions, TLS1_3_VERSION)) return true;
  // Without supported_groups a client of TLS 1.2 takes any (RFC 8422 section 4).
  return Allows(TLS1_2_VERSION) && Contains(hello.versions, TLS1_2_VERSION) &&
         Intersect(needs.tls12_ciphers, hello.cipher_suites) &&
         (needs.tls12_group == 0 || hello.groups.empty() ||
          Contains(hello.groups, needs.tls12_group));
}

}  // namespace tlsbridge::tls
