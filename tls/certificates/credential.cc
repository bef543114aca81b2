#include "tls/certificates/credential.h"

#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/certificate_index.h"
#include "tls/certificates/distinguished_name.h"
#include "tls/out_of_memory.h"

namespace tlsbridge::tls {
namespace {

bssl::UniquePtr<X509> LeafOf(const Credential& credential) {
  const CRYPTO_BUFFER* leaf = credential.chain.front().get();
  const uint8_t* der = CRYPTO_BUFFER_data(leaf);
  return bssl::UniquePtr<X509>(d2i_X509(nullptr, &der, static_cast<long>(CRYPTO_BUFFER_len(leaf))));
}

bool SameIssuer(const Credential& a, const Credential& b) {
  const bssl::UniquePtr<X509> first = LeafOf(a);
  const bssl::UniquePtr<X509> second = LeafOf(b);
  return first != nullptr && second != nullptr &&
         SameName(X509_get_issuer_name(first.get()), X509_get_issuer_name(second.get()));
}

}  // namespace

bssl::UniquePtr<CRYPTO_BUFFER>& CertificateBytes::Kept(const uint8_t* der, size_t length) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(der, length, reinterpret_cast<uint8_t*>(digest.data()));
  return by_digest_[digest];
}

bssl::UniquePtr<CRYPTO_BUFFER> CertificateBytes::Of(X509* certificate) {
  uint8_t* der = nullptr;
  const int length = i2d_X509(certificate, &der);
  if (length <= 0) return nullptr;
  bssl::UniquePtr<uint8_t> owned(der);
  bssl::UniquePtr<CRYPTO_BUFFER>& kept = Kept(der, static_cast<size_t>(length));
  if (kept == nullptr) {
    kept.reset(Made(CRYPTO_BUFFER_new(der, static_cast<size_t>(length), /*pool=*/nullptr)));
  }
  return bssl::UpRef(kept);
}

void CertificateBytes::Remember(const Credential& credential) {
  for (size_t i = 1; i < credential.chain.size(); ++i) {
    CRYPTO_BUFFER* const buffer = credential.chain[i].get();
    bssl::UniquePtr<CRYPTO_BUFFER>& kept =
        Kept(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer));
    if (kept == nullptr) kept = bssl::UpRef(buffer);
  }
}

absl::StatusOr<std::shared_ptr<const Credential>> MakeCredential(const Certificate& certificate,
                                                                 CertificateBytes* bytes) {
  const KeyPair& pair = certificate.pair;
  const auto refuse = [&pair](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat(pair.name.empty() ? "certificate" : pair.name, ": ", what));
  };
  auto made = std::make_shared<Credential>();
  const std::optional<KeyKind> kind = KindOf(pair.key.get());
  if (!kind.has_value()) return refuse("this kind of key is not supported");
  CertificateBytes own;
  for (const auto& x509 : pair.chain) {
    made->chain.push_back((bytes == nullptr ? own : *bytes).Of(x509.get()));
    if (made->chain.back() == nullptr) return refuse("cannot be written as DER");
  }
  const X509* const leaf = pair.chain.front().get();
  made->name = pair.name;
  made->key = bssl::UpRef(pair.key);
  made->kind = *kind;
  made->staple = certificate.staple;
  made->server_names = ServerNamesOf(leaf);
  const Validity validity = ValidityOf(pair);
  made->not_before = validity.not_before;
  made->not_after = validity.not_after;
  made->signature_nid = X509_get_signature_nid(leaf);
  made->warnings = pair.warnings;
  return made;
}

Algorithms AlgorithmsOf(const Credential& credential) {
  Algorithms algorithms;
  if (const char* name = OBJ_nid2sn(credential.signature_nid)) algorithms.signature = name;
  const char* kind = credential.kind == KeyKind::kRsa ? "RSA" : "EC";
  algorithms.key = absl::StrCat(kind, EVP_PKEY_bits(credential.key.get()));
  return algorithms;
}

absl::Status CheckNotOlder(const Credential& served, const Credential& renewed) {
  if (renewed.not_before < served.not_before && SameIssuer(served, renewed)) {
    return absl::InvalidArgumentError(
        absl::StrCat(renewed.name, ": is older than the certificate that is served: valid from ",
                     FormatUtc(renewed.not_before), ", not ", FormatUtc(served.not_before),
                     "; restart to serve it all the same"));
  }
  if (renewed.staple.has_value() && served.staple.has_value() &&
      renewed.not_before == served.not_before &&
      renewed.staple->this_update < served.staple->this_update) {
    return absl::InvalidArgumentError(absl::StrCat(
        renewed.name, ": its OCSP response is older than the one that is served: of ",
        FormatUtc(renewed.staple->this_update), ", not ", FormatUtc(served.staple->this_update)));
  }
  return absl::OkStatus();
}

}  // namespace tlsbridge::tls
