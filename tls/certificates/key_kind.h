// The kinds of private key that a server may have.
//
// Thread: any. Failure: nothing for a key of another kind.
#pragma once

#include <openssl/base.h>
#include <stdint.h>

#include <optional>

namespace tlsbridge::tls {

enum class KeyKind : uint8_t { kEcdsaP256, kEcdsaP384, kEcdsaP521, kRsa };

std::optional<KeyKind> KindOf(const EVP_PKEY* key);

// "ECDSA P-256", "RSA", ..., for messages.
const char* KeyKindName(KeyKind kind);

}  // namespace tlsbridge::tls
