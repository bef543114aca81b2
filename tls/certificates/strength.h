// What is asked of the key and of the signature of every certificate: of our own as of those that
// peers show, and of each CA above them.
//
// Thread: any. Failure: a verdict.
#pragma once

#include <openssl/base.h>
#include <stdint.h>

#include <string>

namespace tlsbridge::tls {

inline constexpr int kMinRsaBits = 2048;  // NIST SP 800-131A

enum class KeyStrength : uint8_t {
  kGood,
  kTooSmall,     // RSA of less than kMinRsaBits
  kOfOtherKind,  // neither RSA nor ECDSA with P-256, P-384 or P-521 nor Ed25519
};

// `key` may be null, as that of a certificate whose key BoringSSL does not know.
KeyStrength StrengthOf(const EVP_PKEY* key);
KeyStrength KeyStrengthOf(const X509* certificate);

// Whether it is signed with SHA-2 or Ed25519, and not with SHA-1, MD5 or what nobody knows
// (RFC 9155; RFC 8446 section 4.4.2.4).
bool HasStrongSignature(const X509* certificate);

// What most clients will refuse it for: "is signed with RSA-SHA1", "has an RSA key of 1024 bits",
// "has a key of a kind that TLS clients do not know"; empty if nothing. That of an anchor, whom
// nobody verifies, may be signed by anything.
std::string WeaknessOf(const X509* certificate, bool is_anchor);

}  // namespace tlsbridge::tls
