// What peers may sign their handshakes with.
//
// Thread: any. Failure: a Status if the library does not know one of them.
#pragma once

#include <openssl/base.h>

#include "absl/status/status.h"

namespace tlsbridge::tls {

// Peers of `ctx` are told of, and held to: ECDSA with P-256, P-384 and P-521, Ed25519, RSA with
// SHA-2. So every kind of key that we take ourselves may be shown, and Ed25519; nothing is signed
// with SHA-1, in TLS 1.2 neither (RFC 9155).
absl::Status LimitPeerSignatures(SSL_CTX* ctx);

}  // namespace tlsbridge::tls
