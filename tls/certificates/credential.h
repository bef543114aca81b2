// What a server shows of one certificate and signs with, as small as it can be kept: thousands stay
// in memory. Shared by every context that serves it, so that renewing one certificate of a route
// neither reads nor copies the others.
//
// Thread: any; immutable once made. Owner: shared. Failure: a Status that names the certificate.
#pragma once

#include <openssl/base.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tls/certificates/certificate.h"
#include "tls/certificates/key_kind.h"

namespace tlsbridge::tls {

struct Credential {
  std::string name;                                   // the certificate's file, for messages
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> chain;  // leaf first, never empty
  bssl::UniquePtr<EVP_PKEY> key;
  KeyKind kind = KeyKind::kRsa;
  std::optional<OcspResponse> staple;
  std::vector<std::string> server_names;  // of the leaf, as ServerNamesOf() has them
  absl::Time not_before;
  absl::Time not_after;
  int signature_nid = 0;              // how the leaf was signed, as BoringSSL numbers it
  std::vector<std::string> warnings;  // what is odd about it; each names its file
};

// Certificates as bytes. Those that come again, as intermediate ones do, are kept once. Not
// BoringSSL's CRYPTO_BUFFER_POOL: every handshake would take its lock.
class CertificateBytes {
 public:
  // Null if it cannot be written.
  bssl::UniquePtr<CRYPTO_BUFFER> Of(X509* certificate);
  // Those of its issuers, so that they are kept once with what is made from now on.
  void Remember(const Credential& credential);

 private:
  bssl::UniquePtr<CRYPTO_BUFFER>& Kept(const uint8_t* der, size_t length);

  std::unordered_map<std::string, bssl::UniquePtr<CRYPTO_BUFFER>> by_digest_;
};

// `bytes` may be null.
absl::StatusOr<std::shared_ptr<const Credential>> MakeCredential(const Certificate& certificate,
                                                                 CertificateBytes* bytes = nullptr);

// How the certificate was signed and what its key is, as haproxy names them: "RSA-SHA256",
// "ecdsa-with-SHA256"; "RSA2048", "EC256".
struct Algorithms {
  std::string signature;
  std::string key;
};
Algorithms AlgorithmsOf(const Credential& credential);

// Refuses `renewed` where it is older than `served`: the same issuer's earlier certificate, or an
// earlier answer of its OCSP responder. What came later must not be undone by a stale copy.
absl::Status CheckNotOlder(const Credential& served, const Credential& renewed);

}  // namespace tlsbridge::tls
