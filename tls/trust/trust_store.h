// Whether a peer's certificates lead to a CA that we trust, are valid now and serve their purpose.
// Used for clients and for backends; what else is asked of either is told in client_verifier.h and
// backend_context.h.
//
// A file of CAs names anchors: what it holds is believed, and nothing above it is looked for. So it
// may be of an intermediate CA alone, or hold a self-signed certificate that is no CA and stands
// for itself only. All keys of a chain, and all its signatures but the anchor's own, are held to
// tls/certificates/strength.h.
//
// A CA without a CRL is taken to have revoked nothing, unless CRLs are required. A CRL that has
// expired refuses every certificate of its CA (`crl_expired`); trust_files.h says what is asked of
// one when its file is read. A CRL's signature is checked whenever it is used, so
// that its size is part of each handshake's cost: about a millisecond for a megabyte.
//
// The cost of a verification is bounded: kMaxIntermediates CAs beside leaf and anchor, each of
// which costs a signature check, and as many bytes as certificate_uses.h has for a peer.
//
// Thread: any; immutable once made. Failure: Create() returns a Status that names the file.
#pragma once

#include <openssl/stack.h>
#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tls/certificates/pem_objects.h"

STACK_OF(X509);  // declares it, without the weight of x509.h

namespace tlsbridge::tls {

struct TrustOptions {
  std::string ca_pem;   // one CA or more
  std::string ca_name;  // the file, for messages
  std::string crl_pem;  // CRLs of these CAs and of those below them; empty for none
  std::string crl_name;
  bool require_crl = false;  // each CA of a chain must have a CRL
};

class TrustStore {
 public:
  // Between leaf and anchor, as X509_VERIFY_PARAM_set_depth() counts.
  static constexpr int kMaxIntermediates = 4;

  enum class Purpose { kClient, kServer };

  struct Problem {
    const char* why = nullptr;  // of the list at Failure::why; null: trusted
    uint8_t alert = 0;          // with `why`: what to tell the peer (RFC 8446 section 6.2)
    // Without `why`: when the first of the chain's certificates, or of the CRLs, expires. Until
    // then the same chain is trusted.
    absl::Time until = absl::InfinitePast();
  };

  // Whom a certificate must be for.
  struct Name {
    std::string dns;  // lower case; matched with its subject alternative names only (RFC 6125)
    std::string ip;   // the address's 4 or 16 bytes
  };

  static absl::StatusOr<std::unique_ptr<TrustStore>> Create(const TrustOptions& options);
  // The CAs of the first of kSystemBundles that exists.
  static absl::StatusOr<std::unique_ptr<TrustStore>> OfSystem();
  // The first of kSystemBundles that can be read; empty for none.
  static std::string SystemBundle();

  TrustStore(const TrustStore&) = delete;
  TrustStore& operator=(const TrustStore&) = delete;
  ~TrustStore();

  // `chain` begins with the leaf. `name` may be null.
  Problem Verify(const STACK_OF(X509) * chain, Purpose purpose, const Name* name) const;

  const std::vector<bssl::UniquePtr<X509>>& cas() const { return cas_; }
  // What a list of their names needs in a CertificateRequest.
  size_t ca_names_bytes() const;

 private:
  TrustStore();

  static int OnProblem(int ok, X509_STORE_CTX* context);
  Problem EvaluateChain(const STACK_OF(X509) * chain, Purpose purpose) const;
  bool HasCrlOf(const X509* certificate) const;

  std::vector<bssl::UniquePtr<X509>> cas_;
  std::vector<bssl::UniquePtr<X509_CRL>> crls_;
  bool require_crl_ = false;
  absl::Time crls_until_ = absl::InfiniteFuture();  // when the first of them expires
  bssl::UniquePtr<X509_STORE> store_;
};

// The certificates of `options.ca_pem`. CRLs may stand beside them, if the same file is named for
// both.
absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCaFile(const TrustOptions& options);

// Where systems keep the CAs that they trust: Debian, Fedora, Alpine.
inline constexpr const char* kSystemBundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
};

}  // namespace tlsbridge::tls
