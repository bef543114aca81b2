#include "tools/chaos/certificate.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tls/certificates/development_ca.h"

namespace tlsbridge::chaos {
namespace {

bool WriteFile(const std::string& path, BIO* pem) {
  const uint8_t* data;
  size_t length;
  if (BIO_mem_contents(pem, &data, &length) != 1) return false;
  const std::string next = path + ".new";
  std::ofstream file(next);
  file.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(length));
  file.close();
  return file.good() && rename(next.c_str(), path.c_str()) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CertificateFiles>> CertificateFiles::Create() {
  const char* base = getenv("TMPDIR");
  std::string folder = absl::StrCat(base == nullptr ? "/tmp" : base, "/tlsbridge-chaos-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) return absl::ErrnoToStatus(errno, folder);
  std::unique_ptr<CertificateFiles> files(new CertificateFiles(folder));
  if (absl::Status status = files->Issue(); !status.ok()) return status;
  return files;
}

absl::Status CertificateFiles::Issue() {
  auto identity = tls::MakeDevelopmentIdentity(absl::Now());
  if (!identity.ok()) return identity.status();
  bssl::UniquePtr<BIO> certificate(BIO_new(BIO_s_mem()));
  bssl::UniquePtr<BIO> key(BIO_new(BIO_s_mem()));
  for (const auto& link : identity->localhost.chain) {
    PEM_write_bio_X509(certificate.get(), link.get());
  }
  PEM_write_bio_PrivateKey(key.get(), identity->localhost.key.get(), nullptr, nullptr, 0, nullptr,
                           nullptr);
  if (!WriteFile(this->certificate(), certificate.get()) || !WriteFile(this->key(), key.get())) {
    return absl::InternalError(absl::StrCat(folder_, ": cannot be written"));
  }
  return absl::OkStatus();
}

CertificateFiles::~CertificateFiles() {
  unlink(certificate().c_str());
  unlink(key().c_str());
  rmdir(folder_.c_str());
}

}  // namespace tlsbridge::chaos
