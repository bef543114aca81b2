// Where the chain ends that a server sends: whether clients can follow it from there.
//
// Thread: any. Failure: none; what cannot be read is empty.
#pragma once

#include <openssl/base.h>

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tls/certificates/credential.h"

namespace tlsbridge::tls {

struct ChainEnd {
  // Of the first one, in subjectAltName: clients have not looked at the common name for years.
  bool leaf_has_names = false;
  size_t certificates = 0;
  bool self_signed = false;  // the last one
  std::string issuer;        // of the last one, as DistinguishedName() has it
  std::string issuer_url;    // where the last one says that its issuer can be fetched; mostly empty
  bool issuer_is_known = false;  // among the CAs that were given
};

ChainEnd EndOfChain(const Credential& credential,
                    absl::Span<const bssl::UniquePtr<X509>> known_cas);

}  // namespace tlsbridge::tls
