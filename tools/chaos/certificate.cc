#include "tools/chaos/certificate.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
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
  std::ofstream file(path);
  file.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(length));
  return file.good();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CertificateFiles>> CertificateFiles::Create() {
  auto identity = tls::MakeDevelopmentIdentity(absl::Now());
  if (!identity.ok()) return identity.status();
  bssl::UniquePtr<BIO> certificate(BIO_new(BIO_s_mem()));
  bssl::UniquePtr<BIO> key(BIO_new(BIO_s_mem()));
  for (const auto& link : identity->localhost.chain) {
    PEM_write_bio_X509(certificate.get(), link.get());
  }
  PEM_write_bio_PrivateKey(key.get(), identity->localhost.key.get(), nullptr, nullptr, 0, nullptr,
                           nullptr);

  const char* base = getenv("TMPDIR");
  std::string folder = absl::StrCat(base == nullptr ? "/tmp" : base, "/tlsbridge-chaos-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) return absl::ErrnoToStatus(errno, folder);
  std::unique_ptr<CertificateFiles> files(new CertificateFiles(folder));
  if (!WriteFile(files->certificate(), certificate.get()) || !WriteFile(files->key(), key.get())) {
    return absl::InternalError(absl::StrCat(folder, ": cannot be written"));
  }
  return files;
}

CertificateFiles::~CertificateFiles() {
  unlink(certificate().c_str());
  unlink(key().c_str());
  rmdir(folder_.c_str());
}

}  // namespace tlsbridge::chaos
