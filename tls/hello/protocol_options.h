// Which versions, ciphers, groups and signature algorithms a TLS context has, by name.
//
// Thread: any. Failure: a Status that names the option and what is wrong, and lists what it may be.
#pragma once

#include <openssl/base.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tlsbridge::tls {

// An empty text is the default. Lists are separated by colons, the preferred first.
struct ProtocolOptions {
  std::string min_version = "TLSv1.2";  // or "TLSv1.3"
  std::string max_version = "TLSv1.3";
  // Of TLS 1.2, as OpenSSL or IANA name them; "[a|b]" are equal, so that the client's order decides
  // between them. By default the forward-secret AEAD suites (RFC 9325 section 4.2). Those of TLS
  // 1.3 are BoringSSL's, always.
  std::string ciphers;
  // By default X25519MLKEM768, which is post-quantum, X25519, P-256, P-384.
  std::string groups;
  // With no `groups`, all that there are: a peer's key of P-521 needs its group in TLS 1.2
  // (RFC 8422 section 5.1.1).
  bool every_group = false;
  // What a server signs with, as RFC 8446 section 4.2.3 names them. By default all with SHA-2.
  std::string signature_algorithms;
};

// Sets versions, ciphers and groups.
absl::Status ApplyProtocolOptions(const ProtocolOptions& options, SSL_CTX* ctx);

// The code points of a list as in ProtocolOptions::signature_algorithms.
absl::StatusOr<std::vector<uint16_t>> ParseSignatureAlgorithms(absl::string_view list);

}  // namespace tlsbridge::tls
