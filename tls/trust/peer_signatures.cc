#include "tls/trust/peer_signatures.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <iterator>

namespace tlsbridge::tls {
namespace {

// In order of preference. TLS 1.3 takes none of PKCS #1 for handshakes (RFC 8446 section 4.2.3).
constexpr uint16_t kSignatures[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
    SSL_SIGN_RSA_PSS_RSAE_SHA256,    SSL_SIGN_RSA_PKCS1_SHA256,
    SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA384,
    SSL_SIGN_RSA_PKCS1_SHA384,       SSL_SIGN_ECDSA_SECP521R1_SHA512,
    SSL_SIGN_RSA_PSS_RSAE_SHA512,    SSL_SIGN_RSA_PKCS1_SHA512,
};

}  // namespace

absl::Status LimitPeerSignatures(SSL_CTX* ctx) {
  if (SSL_CTX_set_verify_algorithm_prefs(ctx, kSignatures, std::size(kSignatures)) == 1) {
    return absl::OkStatus();
  }
  ERR_clear_error();
  return absl::InternalError("BoringSSL refused the signature algorithms of peers");
}

}  // namespace tlsbridge::tls
