// All that a server needs to serve one certificate, loaded from its files.
//
// Thread: any. Owner: the caller; a ServerContext keeps references of its own. Failure: a Status
// that names the file and the reason.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tls/certificates/key_pair.h"
#include "tls/certificates/ocsp_response.h"

namespace tlsbridge::tls {

struct Certificate {
  KeyPair pair;
  std::optional<OcspResponse> staple;
};

struct CertificatePaths {
  std::string certificate;
  std::string key;
  std::string ocsp;  // empty for none
};

// As LoadKeyPair() and LoadOcspResponse(). What clients will refuse, and that the staple lacks
// though they demand one, has expired or is for another certificate, is added to the pair's
// warnings.
absl::StatusOr<Certificate> LoadCertificate(const CertificatePaths& paths, absl::Time now);

}  // namespace tlsbridge::tls
