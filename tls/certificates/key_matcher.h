// Which kinds of key a client can be served with: one that it can verify, in a version and with a
// cipher that both have.
//
// Thread: any; immutable once made. Owner: the ServerContext. Failure: none.
#pragma once

#include <openssl/base.h>
#include <stdint.h>

#include <array>
#include <vector>

#include "absl/types/span.h"
#include "tls/certificates/key_kind.h"
#include "tls/hello/client_hello.h"

namespace tlsbridge::tls {

class KeyMatcher {
 public:
  // For a server with the versions and ciphers of `ctx`, which signs with `signatures`.
  KeyMatcher(const SSL_CTX* ctx, absl::Span<const uint16_t> signatures);

  // Whether there can be a client for a key of this kind at all.
  bool UsableByAny(KeyKind kind) const;
  // Whether the client that sent `hello` can use it.
  bool UsableBy(const ClientHello& hello, KeyKind kind) const;
  // Whether it can verify what such a key signs, be there a cipher for it or not.
  bool VerifiableBy(const ClientHello& hello, KeyKind kind) const;

 private:
  struct Needs {
    std::vector<uint16_t> tls13_signatures;
    std::vector<uint16_t> tls12_signatures;
    std::vector<uint16_t> tls12_ciphers;
    uint16_t tls12_group = 0;  // the key's own; 0 for RSA
  };

  bool Allows(uint16_t version) const { return min_version_ <= version && version <= max_version_; }

  uint16_t min_version_;
  uint16_t max_version_;
  std::array<Needs, 4> needs_;  // by KeyKind
};

}  // namespace tlsbridge::tls
