// A certificate for localhost in files that only this user can read, gone with the object.
//
// Thread: one. Failure: Create() and Renew() return a Status.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace tlsbridge::chaos {

class CertificateFiles {
 public:
  static absl::StatusOr<std::unique_ptr<CertificateFiles>> Create();
  ~CertificateFiles();
  CertificateFiles(const CertificateFiles&) = delete;
  CertificateFiles& operator=(const CertificateFiles&) = delete;

  // Another certificate and key in place of them; there is a moment in which they do not match.
  absl::Status Renew() { return Issue(); }

  const std::string& folder() const { return folder_; }
  std::string certificate() const { return folder_ + "/tls.crt"; }
  std::string key() const { return folder_ + "/tls.key"; }

 private:
  explicit CertificateFiles(std::string folder) : folder_(std::move(folder)) {}

  absl::Status Issue();

  const std::string folder_;
};

}  // namespace tlsbridge::chaos
