#include "tls/certificates/certificate.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/certificate_uses.h"

namespace tlsbridge::tls {

absl::StatusOr<Certificate> LoadCertificate(const CertificatePaths& paths, absl::Time now) {
  auto pair = LoadKeyPair(paths.certificate, paths.key, now);
  if (!pair.ok()) return pair.status();
  Certificate certificate{*std::move(pair), std::nullopt};
  std::vector<std::string>& warnings = certificate.pair.warnings;
  WarnOfUse(CertificateUse::kServer, &certificate.pair);
  if (paths.ocsp.empty()) {
    if (MustStaple(certificate.pair.chain.front().get())) {
      warnings.push_back(absl::StrCat(paths.certificate,
                                      ": must-staple certificate (RFC 7633) without an OCSP "
                                      "response: clients will reject it; set ocsp"));
    }
    return certificate;
  }
  auto staple = LoadOcspResponse(paths.ocsp, certificate.pair);
  // The certificate was renewed, and its responder has yet to be asked.
  if (absl::IsNotFound(staple.status())) {
    warnings.push_back(absl::StrCat(staple.status().message(), "; it is not sent"));
    return certificate;
  }
  if (!staple.ok()) return staple.status();
  if (now >= staple->next_update) {
    warnings.push_back(absl::StrCat(paths.ocsp, ": expired on ", FormatUtc(staple->next_update),
                                    "; it is not sent"));
  }
  certificate.staple = *std::move(staple);
  return certificate;
}

}  // namespace tlsbridge::tls
