// What all TLS sessions with clients share: certificate, versions, ciphers. One SSL_CTX.
//
// Thread: made on one, then read by all workers; BoringSSL locks what it must.
// Owner: the caller; it must outlive no session, because each session holds a reference of its own.
// Failure: Create() returns a Status; nothing is half-made.
#pragma once

#include <openssl/base.h>

#include <memory>

#include "absl/status/statusor.h"
#include "tls/client_hello.h"
#include "tls/client_verifier.h"
#include "tls/failure.h"
#include "tls/key_pair.h"

namespace tlsbridge::tls {

class ServerContext {
 public:
  static absl::StatusOr<std::unique_ptr<ServerContext>> Create(const KeyPair& pair,
                                                               const ClientPolicy& clients = {});

  ~ServerContext();

  SSL_CTX* ssl_ctx() const { return ctx_.get(); }
  struct Choice {
    SSL_CTX* ctx = nullptr;
    Failure failure;
    uint8_t alert = 0;
  };
  Choice Choose(const ClientHello&) const { return {ctx_.get(), {}, 0}; }
  SSL_CTX* default_ctx() const { return ctx_.get(); }

 private:
  explicit ServerContext(bssl::UniquePtr<SSL_CTX> ctx);

  bssl::UniquePtr<SSL_CTX> ctx_;
};

// "BoringSSL (API 17)".
const char* LibraryVersion();

}  // namespace tlsbridge::tls
