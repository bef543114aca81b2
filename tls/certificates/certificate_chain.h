// Whether the certificates of a chain belong together, so that clients can follow it.
//
// Thread: any. Failure: a Status that names the file, the certificate and the reason.
#pragma once

#include <openssl/base.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tlsbridge::tls {

// Follows `chain` from the leaf, link by link. An error is a link that no client can verify: the
// next certificate has the issuer's name, but did not sign or may not. What most clients put up
// with is added to `warnings`: another order than RFC 8446 section 4.4.2 asks for, a certificate
// that does not belong there, one that has expired.
absl::Status CheckChain(const std::vector<bssl::UniquePtr<X509>>& chain, absl::string_view name,
                        absl::Time now, std::vector<std::string>* warnings);

}  // namespace tlsbridge::tls
