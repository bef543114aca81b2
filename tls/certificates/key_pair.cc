#include "tls/certificates/key_pair.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "openssl/mem.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/certificate_chain.h"
#include "tls/certificates/pem_file.h"
#include "tls/certificates/pem_objects.h"

namespace tlsbridge::tls {
namespace {

absl::Status Refuse(absl::string_view file, absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", what));
}

absl::Status CheckValidity(const X509* leaf, absl::string_view name, absl::Time now) {
  const absl::Time not_before = ToTime(X509_get0_notBefore(leaf));
  const absl::Time not_after = ToTime(X509_get0_notAfter(leaf));
  if (now > not_after)
    return Refuse(name, absl::StrCat("expired on ", FormatUtc(not_after), "; renew it"));
  if (now < not_before) {
    return Refuse(name, absl::StrCat("is not valid before ", FormatUtc(not_before)));
  }
  return absl::OkStatus();
}

// `key` belongs to the first of `chain`, or the Status says to which it does.
absl::Status CheckBelongs(const std::vector<bssl::UniquePtr<X509>>& chain, const EVP_PKEY* key,
                          absl::string_view certificate_name, absl::string_view key_name) {
  for (size_t i = 0; i < chain.size(); ++i) {
    if (X509_check_private_key(chain[i].get(), key) != 1) continue;
    ERR_clear_error();
    if (i == 0) return absl::OkStatus();
    return Refuse(certificate_name,
                  absl::StrCat("certificate ", i + 1, " is the one that the private key in ",
                               key_name, " belongs to; it must come first, before its chain"));
  }
  return Refuse(key_name, absl::StrCat("this private key does not belong to the certificate in ",
                                       certificate_name, "; use the key that it was issued for"));
}

}  // namespace

Validity ValidityOf(const KeyPair& pair) {
  const X509* const leaf = pair.chain.front().get();
  return {ToTime(X509_get0_notBefore(leaf)), ToTime(X509_get0_notAfter(leaf))};
}

KeyPair::KeyPair() = default;
KeyPair::KeyPair(KeyPair&&) noexcept = default;
KeyPair& KeyPair::operator=(KeyPair&&) noexcept = default;
KeyPair::~KeyPair() = default;

absl::StatusOr<KeyPair> ParseKeyPair(absl::string_view certificate_pem,
                                     absl::string_view certificate_name, absl::string_view key_pem,
                                     absl::string_view key_name, absl::Time now) {
  auto chain = ParseCertificates(certificate_pem, certificate_name);
  if (!chain.ok()) return chain.status();
  auto key = ParsePrivateKey(key_pem, key_name);
  if (!key.ok()) return key.status();
  absl::Status status = CheckBelongs(*chain, key->get(), certificate_name, key_name);
  if (!status.ok()) return status;
  status = CheckValidity(chain->front().get(), certificate_name, now);
  if (!status.ok()) return status;
  KeyPair pair;
  status = CheckChain(*chain, certificate_name, now, &pair.warnings);
  if (!status.ok()) return status;
  pair.name.assign(certificate_name.data(), certificate_name.size());
  pair.chain = *std::move(chain);
  pair.key = *std::move(key);
  return pair;
}

absl::StatusOr<KeyPair> LoadKeyPair(const std::string& certificate_path,
                                    const std::string& key_path, absl::Time now) {
  std::string certificate_pem;
  std::string key_pem;
  // Neither may stay behind in freed memory: both may be the one file that holds the key.
  absl::Cleanup cleanse = [&certificate_pem, &key_pem] {
    OPENSSL_cleanse(certificate_pem.data(), certificate_pem.size());
    OPENSSL_cleanse(key_pem.data(), key_pem.size());
  };
  auto pem = ReadPemFile(certificate_path);
  if (!pem.ok()) return pem.status();
  certificate_pem.swap(*pem);
  if (key_path == certificate_path) {
    key_pem = certificate_pem;  // a pipe can be read once
  } else {
    pem = ReadPemFile(key_path);
    if (!pem.ok()) return pem.status();
    key_pem.swap(*pem);
  }
  auto pair = ParseKeyPair(certificate_pem, certificate_path, key_pem, key_path, now);
  if (pair.ok() && AnybodyMayRead(key_path)) {
    pair->warnings.push_back(
        absl::StrCat(key_path, ": private key is world-readable; run: chmod o-r ", key_path));
  }
  return pair;
}

}  // namespace tlsbridge::tls
