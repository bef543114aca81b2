// What all TLS sessions of a route with its clients share: certificates, versions, ciphers, and who
// may be a client. One SSL_CTX, whose sessions are given the certificate that their client asks
// for: thousands of certificates cost their own size, and a ticket is good for all of them.
//
// Thread: made on one, then read by all workers; BoringSSL locks what it must.
// Owner: the caller; it must outlive no session, because each session holds references of its own.
// Failure: Create() returns a Status; nothing is half-made.
#pragma once

#include <openssl/base.h>
#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tls/certificates/certificate_index.h"
#include "tls/certificates/credential.h"
#include "tls/certificates/key_matcher.h"
#include "tls/certificates/key_pair.h"
#include "tls/failure.h"
#include "tls/hello/client_hello.h"
#include "tls/hello/protocol_options.h"
#include "tls/trust/client_verifier.h"

namespace tlsbridge::tls {

struct ServerOptions {
  // At least one. The first answers clients that ask for no name, or for none that there is.
  std::vector<std::shared_ptr<const Credential>> certificates;
  // In order of preference. Empty negotiates none, whatever clients offer; else a client that
  // offers only others is refused (RFC 7301 section 3.2). One that offers none is let in.
  std::vector<std::string> alpn;
  ProtocolOptions protocol;
  // Refuse clients that ask for no name, or for none that there is.
  bool refuse_unknown_sni = false;
  ClientPolicy clients;
};

class ServerContext {
 public:
  // How a client is to be answered. Refers to the context that made it.
  struct Choice {
    const Credential* credential = nullptr;  // null: refused
    bool staple = false;                     // send its OCSP response
    bool verifiable = true;                  // the client knows how its key signs
    Failure failure;                         // why it is refused
    uint8_t alert = 0;                       // what to tell it then (RFC 8446 section 6.2)
  };

  static absl::StatusOr<std::unique_ptr<ServerContext>> Create(const ServerOptions& options);
  // The same with one certificate and every default.
  static absl::StatusOr<std::unique_ptr<ServerContext>> Create(const KeyPair& pair,
                                                               const ClientPolicy& clients = {});

  ~ServerContext();

  // The certificate for a client: by the name that it asks for, exactly or by wildcard; of several
  // for one name an ECDSA one, if the client can use it. `now` decides whether a staple is fresh.
  Choice Choose(const ClientHello& hello, absl::Time now) const;
  // The first certificate, whatever the client asks for.
  Choice Default() const;

  // A server's end for `choice`. REQUIRES: not a refusal.
  // With `signing`, signatures are made by it instead of the certificate's key.
  bssl::UniquePtr<SSL> NewSsl(const Choice& choice,
                              const SSL_PRIVATE_KEY_METHOD* signing = nullptr) const;

  SSL_CTX* ssl_ctx() const { return ctx_.get(); }

 private:
  ServerContext(bssl::UniquePtr<SSL_CTX> ctx, absl::Span<const uint16_t> signatures);

  absl::Status UseCredentials();
  const Credential& Pick(absl::Span<const uint32_t> candidates, const ClientHello& hello) const;

  bssl::UniquePtr<SSL_CTX> ctx_;
  KeyMatcher matcher_;
  CertificateIndex index_;
  std::vector<std::shared_ptr<const Credential>> credentials_;  // never empty
  std::vector<uint32_t> defaults_;  // the first, and those that share its first name
  std::vector<std::string> alpn_;
  bool refuse_unknown_sni_ = false;
};

// "BoringSSL (API 17)".
const char* LibraryVersion();

}  // namespace tlsbridge::tls
