// A certificate authority and certificates that it issues, as PEM files made by the openssl
// program. Any thread, one at a time. The TempDir must outlive the object. Failure ends the test
// program with what openssl said: nothing can be tested without certificates.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/e2e/harness/temp_dir.h"

namespace tlsbridge::e2e {

enum class KeyType { kEcdsa, kRsa };

struct CertificateFiles {
  std::string certificate;
  std::string key;
};

struct CertificateOptions {
  // Also the name of the files and the common name.
  std::string name = "localhost";
  std::string organizational_unit = {};  // none
  KeyType key_type = KeyType::kEcdsa;
  // Entries of subjectAltName in openssl's words.
  std::vector<std::string> alt_names = {"DNS:localhost", "IP:127.0.0.1", "IP:::1"};
  // From today. Negative makes one that has expired.
  int days = 2;
};

class Certificates {
 public:
  explicit Certificates(const TempDir& dir, absl::string_view authority = "ca",
                        KeyType key_type = KeyType::kEcdsa);

  // The authority's own certificate, for those who shall trust it.
  const std::string& authority_certificate() const { return authority_.certificate; }

  CertificateFiles Issue(const CertificateOptions& options = {}) const;

  // An authority whose own certificate this one has signed.
  Certificates IssueAuthority(absl::string_view name) const;

 private:
  Certificates(const TempDir& dir, CertificateFiles authority);
  CertificateFiles Sign(const CertificateOptions& options,
                        const std::vector<std::string>& extensions) const;

  const TempDir& dir_;
  CertificateFiles authority_;
};

}  // namespace tlsbridge::e2e
