// What a certificate's CA last said about it (RFC 6960), to be stapled to handshakes. Parsed as far
// as a server needs; clients verify the signature.
//
// Thread: any; a value. Failure: a Status that names the file and the reason.
#pragma once

#include <openssl/base.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tls/certificates/key_pair.h"

namespace tlsbridge::tls {

struct OcspResponse {
  std::string der;
  absl::Time this_update;
  // From then on clients refuse it, so that it is no longer sent. The infinite future if the CA
  // promises nothing newer.
  absl::Time next_update = absl::InfiniteFuture();
};

// Parses `der`, a whole OCSPResponse, which must say that the leaf of `pair` is good. `name` stands
// for the file in messages. One that has expired is no error: a server must start without its
// responder. NotFound: it is well-formed, but for other certificates.
absl::StatusOr<OcspResponse> ParseOcspResponse(absl::string_view der, absl::string_view name,
                                               const KeyPair& pair);

absl::StatusOr<OcspResponse> LoadOcspResponse(const std::string& path, const KeyPair& pair);

}  // namespace tlsbridge::tls
