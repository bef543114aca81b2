// What an authority issues beside certificates: revocation lists, OCSP responses, and certificates
// with any validity; by the openssl program, over a database in a folder of the test's.
//
// One thread at a time. The TempDir must outlive it. Failure is an empty path, and gtest's.

#pragma once

#include <string>

#include "tests/e2e/harness/certificates.h"
#include "tests/e2e/harness/temp_dir.h"

namespace tlsbridge::e2e {

class AuthorityFiles {
 public:
  // `name` is that of a Certificates in the same folder.
  AuthorityFiles(const TempDir& dir, const std::string& name);

  // From now on its certificate is one that was issued, or one that was revoked.
  void NoteIssued(const std::string& certificate);
  void Revoke(const std::string& certificate);

  // A list of all that are revoked, in PEM.
  std::string MakeCrl(const std::string& file_name) const;
  // A response about one certificate, in DER.
  std::string MakeOcspResponse(const std::string& certificate, const std::string& file_name) const;

  // Signs the request that Certificates left beside the certificate, for another validity. Times
  // are YYYYMMDDHHMMSSZ. The new certificate takes the old one's place.
  void Reissue(const CertificateFiles& files, const std::string& not_before,
               const std::string& not_after) const;

 private:
  void Note(const std::string& certificate, const std::string& status);

  const TempDir& dir_;
  const std::string certificate_;
  const std::string key_;
  std::string database_;
  std::string config_;
};

}  // namespace tlsbridge::e2e
