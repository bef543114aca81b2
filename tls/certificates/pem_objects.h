// Certificates, CRLs and keys from PEM text. Every file of either kind is read by these.
//
// Thread: any. Failure: a Status that names the file, mostly the line, and the reason; nothing is
// half-read, and nothing passed over that was meant to count.
#pragma once

#include <openssl/base.h>

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tlsbridge::tls {

// CRLs beside certificates: mostly somebody believes that they revoke what they do not.
enum class CrlsBeside : uint8_t { kRefused, kReadByAnother };

// All certificates of `pem`, one at least; `name` is the file, for messages. Keys may stand beside
// them.
absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCertificates(
    absl::string_view pem, absl::string_view name, CrlsBeside crls = CrlsBeside::kRefused);

// All CRLs of `pem`, one at least, whether or not they are in force. Certificates may stand beside
// them.
absl::StatusOr<std::vector<bssl::UniquePtr<X509_CRL>>> ParseCrls(absl::string_view pem,
                                                                 absl::string_view name);

// The one private key of `pem`, of a kind and size that can be served. Certificates may stand
// beside it.
absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ParsePrivateKey(absl::string_view pem,
                                                          absl::string_view name);

}  // namespace tlsbridge::tls
