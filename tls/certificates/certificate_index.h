// Finds the certificates for the server name that a client asks for.
//
// Thread: filled on one, then read by any. Owner: the ServerContext. Failure: none; a name that
// nobody has finds nothing.
#pragma once

#include <openssl/base.h>
#include <stdint.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "absl/types/span.h"

namespace tlsbridge::tls {

// The DNS names that `leaf` is for, in lower case and without a dot at the end; "*.internal" among
// them. Those of its subjectAltName, or its common name where it has no such extension (RFC 6125
// section 6.4.4).
std::vector<std::string> ServerNamesOf(const X509* leaf);

class CertificateIndex {
 public:
  // Notes that certificate number `id` is for `names`.
  void Add(uint32_t id, const std::vector<std::string>& names);

  // The certificates for exactly this name; where there are none, those for the wildcard in place
  // of its first label (RFC 6125 section 6.4.3). In the order in which they were added.
  // `server_name` is as ClientHello has it. Two look-ups at most, however many there are.
  absl::Span<const uint32_t> Find(const std::string& server_name) const;

  // Those that have just this name, which may be a wildcard.
  absl::Span<const uint32_t> FindExactly(const std::string& name) const;

 private:
  std::unordered_map<std::string, std::vector<uint32_t>> by_name_;
};

}  // namespace tlsbridge::tls
