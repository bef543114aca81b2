// Verifies client certificates: a chain to one of the CAs, for the purpose of a TLS client, and a
// rule that lets it in.
//
// Thread: any; immutable once made. Owner: the SSL_CTX that it is installed in, so that it lives as
// long as any session. Failure: Create() returns a Status; a refused certificate ends its handshake
// with the alert that fits.
#pragma once

#include <openssl/base.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tls/allow_rules.h"

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
};

class ClientVerifier {
 public:
  // What a client's certificate amounts to.
  struct Decision {
    const char* problem = nullptr;  // "expired", "untrusted", ...: a closed list; null: let in
    uint8_t alert = 0;  // with `problem`: what to tell the client (RFC 8446 section 6.2)
  };

  // Makes `ctx` ask for certificates as `policy` says. Nothing is changed for kOff.
  static absl::Status Install(const ClientPolicy& policy, SSL_CTX* ctx);
  // That of `ssl`'s context; null if it asks for no certificate.
  static const ClientVerifier* Of(const SSL* ssl);

  ~ClientVerifier();

  Decision Check(const SSL* ssl) const;
  // The rule that lets `identity` in; "any" where there are no rules.
  absl::string_view AllowedBy(const PeerIdentity& identity) const;

 private:
  ClientVerifier(bssl::UniquePtr<X509_STORE> store, AllowRules rules);

  bssl::UniquePtr<X509_STORE> store_;
  AllowRules rules_;
};

}  // namespace tlsbridge::tls
