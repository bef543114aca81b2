// A certificate for localhost in files that only this user can read, gone with the object.
//
// Thread: any. Failure: Create() returns a Status.
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

  std::string certificate() const { return folder_ + "/tls.crt"; }
  std::string key() const { return folder_ + "/tls.key"; }

 private:
  explicit CertificateFiles(std::string folder) : folder_(std::move(folder)) {}
  const std::string folder_;
};

}  // namespace tlsbridge::chaos
