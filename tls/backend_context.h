// What all TLS sessions with the backends of a route share: whom to trust, the name to verify, our
// own certificate, and the sessions to resume. One SSL_CTX.
//
// Thread: made on one, then used by all workers. Owner: shared; each session keeps a reference.
// Failure: Create() returns a Status; nothing is half-made.
#pragma once

#include <openssl/base.h>
#include <openssl/stack.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tls/certificates/key_pair.h"
#include "tls/protocol_version.h"
#include "tls/tickets/session_cache.h"
#include "tls/trust/trust_store.h"

namespace tlsbridge::tls {

struct BackendOptions {
  TrustOptions trust;  // with no ca_pem, the CAs of the system (TrustStore::OfSystem)
  // The DNS name or IP address that the backend's certificate must be for (RFC 6125): one of its
  // subject alternative names. Required, unless insecure_skip_verify.
  std::string verify_name;
  std::string server_name;  // SNI; empty: verify_name, if it is a DNS name (RFC 6066 section 3)
  const KeyPair* certificate = nullptr;  // shown to a backend that asks; not kept
  std::vector<std::string> alpn;         // in order of preference; empty offers none
  ProtocolVersion min_version = ProtocolVersion::kTls12;
  ProtocolVersion max_version = ProtocolVersion::kTls13;
  // Encrypts, but to whomever answers.
  bool insecure_skip_verify = false;
};

class BackendContext {
 public:
  static absl::StatusOr<std::shared_ptr<const BackendContext>> Create(
      const BackendOptions& options);

  BackendContext(const BackendContext&) = delete;
  BackendContext& operator=(const BackendContext&) = delete;
  ~BackendContext();

  SSL_CTX* ssl_ctx() const { return ctx_.get(); }
  const std::string& server_name() const { return server_name_; }
  bool verifies() const { return trust_ != nullptr; }

  // Judges the backend's certificates.
  TrustStore::Problem Verify(const STACK_OF(X509) * chain) const;

  // What a backend is offered (RFC 7301), in the wire's format, for a client with whom `agreed` was
  // agreed on: the same, if it is one of BackendOptions::alpn; else nothing, so that the two
  // handshakes never come to different protocols.
  std::string Offer(absl::string_view agreed) const;
  // All of BackendOptions::alpn, likewise.
  const std::string& alpn() const { return alpn_; }

  // A session of `peer` (a backend, and what it is offered) whose certificates are still good, as
  // when they were verified: trust does not change while there is this context, only time passes.
  // None, if there is no such.
  SessionCache::Resumable TakeSession(absl::string_view peer) const;
  void PutSession(absl::string_view peer, SessionCache::Resumable resumable) const;

 private:
  BackendContext();

  bssl::UniquePtr<SSL_CTX> ctx_;
  std::unique_ptr<TrustStore> trust_;  // null: insecure_skip_verify
  TrustStore::Name verify_name_;
  std::string server_name_;
  std::string alpn_;
  mutable SessionCache sessions_;
};

}  // namespace tlsbridge::tls
