// Verifies client certificates: a chain to one of the CAs, for the purpose of a TLS client, not
// revoked (tls/trust/trust_store.h says when a CRL is needed), and a rule that lets it in.
//
// Observe-only lets in whom it would refuse, also those without a certificate, and tells it: so
// that a policy can be tried on real traffic first.
//
// Thread: any; immutable once made. Owner: the SSL_CTX that it is installed in, so that it lives as
// long as any session. Failure: Create() returns a Status; a refused certificate ends its handshake
// with the alert that fits.
#pragma once

#include <openssl/base.h>
#include <openssl/ssl.h>
#include <openssl/stack.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tls/certificates/peer_identity.h"
#include "tls/trust/allow_rules.h"
#include "tls/trust/trust_store.h"

namespace tlsbridge::tls {

enum class ClientCertificates {
  kOff,
  kOptional,  // a client without one is let in; one that has one must pass
  kRequired,
};

struct ClientPolicy {
  ClientCertificates mode = ClientCertificates::kOff;
  std::string ca_pem;              // one CA or more
  std::string ca_name;             // the file, for messages
  std::vector<std::string> allow;  // as AllowRules::Parse takes them
  std::string crl_pem;             // CRLs of these CAs; empty for none
  std::string crl_name;            // the file, for messages
  bool require_crl = false;        // a CA without a CRL is not trusted
  bool observe_only = false;
};

// A SHA-256 of what `policy` asks of a client, but for CRLs, which each resumed session is judged
// by again: with the route's name, the binding of its tickets (tls/tickets/ticket_keys.h).
std::string PolicyDigest(const ClientPolicy& policy);

class ClientVerifier {
 public:
  // What a client's certificate amounts to.
  struct Decision {
    const char* problem = nullptr;  // "expired", "untrusted", ...: a closed list; null: let in
    uint8_t alert = 0;  // with `problem`: what to tell the client (RFC 8446 section 6.2)

    PeerIdentity identity;  // all that it says, whether it is let in or not
    // Who it is: the name that the rule matched, else PeerIdentity::Display().
    std::string name;
    // The URI to tell a backend: the one that the rule matched, else the only one.
    std::string uri;
    absl::string_view allowed_by;  // the rule; "any" where there are none; empty with `problem`
  };

  // 65535 (RFC 8446 section 4.3.2) without what else stands in a CertificateRequest.
  static constexpr size_t kMaxCaNamesBytes = 65535 - 64;

  // REQUIRES: policy.mode is not kOff.
  static absl::StatusOr<std::unique_ptr<ClientVerifier>> Create(const ClientPolicy& policy);

  // BoringSSL's question during a handshake.
  using Ask = ssl_verify_result_t (*)(SSL* ssl, uint8_t* alert);
  // Makes `ctx` ask for certificates as `policy` says, and put them before `ask`. Nothing is
  // changed for kOff.
  static absl::Status Install(const ClientPolicy& policy, Ask ask, SSL_CTX* ctx);
  // That of `ssl`'s context; null if it asks for no certificate.
  static const ClientVerifier* Of(const SSL* ssl);

  ClientVerifier(const ClientVerifier&) = delete;
  ClientVerifier& operator=(const ClientVerifier&) = delete;
  ~ClientVerifier();

  // `chain` begins with the client's own.
  Decision Check(const STACK_OF(X509) * chain) const;

  // Whether clients are told the names of the CAs, to choose their certificate by: not if they do
  // not fit into a CertificateRequest. Clients then show what they have.
  bool tells_cas() const;

  const AllowRules& rules() const { return rules_; }
  bool required() const { return required_; }
  bool observe_only() const { return observe_only_; }

 private:
  ClientVerifier(std::unique_ptr<TrustStore> trust, AllowRules rules, const ClientPolicy& policy);

  const std::unique_ptr<TrustStore> trust_;
  const AllowRules rules_;
  const bool required_;
  const bool observe_only_;
};

}  // namespace tlsbridge::tls
