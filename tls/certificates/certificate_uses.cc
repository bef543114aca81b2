#include "tls/certificates/certificate_uses.h"

#include <openssl/bytestring.h>
#include <openssl/obj.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tls/certificates/distinguished_name.h"
#include "tls/certificates/strength.h"

namespace tlsbridge::tls {
namespace {

constexpr char kTlsFeature[] = "1.3.6.1.5.5.7.1.24";
constexpr uint64_t kStatusRequest = 5;
constexpr uint32_t kDigitalSignature = 0x0080;  // as X509_get_key_usage() has it

}  // namespace

void WarnOfUse(CertificateUse use, KeyPair* pair) {
  const auto warn = [pair](absl::string_view what) {
    pair->warnings.push_back(absl::StrCat(pair->name, ": ", what));
  };
  X509* const leaf = pair->chain.front().get();
  const bool server = use == CertificateUse::kServer;
  // Each is all ones where there is no such extension.
  const uint32_t extended = X509_get_extended_key_usage(leaf);
  if ((extended & ((server ? XKU_SSL_SERVER : XKU_SSL_CLIENT) | XKU_ANYEKU)) == 0) {
    warn(server ? "its extended key usage lacks serverAuth, so clients will reject it"
                : "its extended key usage lacks clientAuth, so backends will reject it");
  }
  if ((X509_get_key_usage(leaf) & kDigitalSignature) == 0) {
    warn("its key usage lacks digitalSignature, so peers will reject its signatures");
  }
  size_t bytes = 0;
  for (size_t i = 0; i < pair->chain.size(); ++i) {
    X509* const certificate = pair->chain[i].get();
    const int length = i2d_X509(certificate, nullptr);
    if (length > 0) bytes += static_cast<size_t>(length);
    const bool self_issued =
        SameName(X509_get_subject_name(certificate), X509_get_issuer_name(certificate));
    if (const std::string weakness = WeaknessOf(certificate, self_issued); !weakness.empty()) {
      warn(absl::StrCat("certificate ", i + 1, " in it ", weakness, ", so peers reject it"));
    }
  }
  if (bytes > kMaxChainBytes) {
    warn(absl::StrCat("its chain has ", bytes, " bytes, which is more than many peers take; ",
                      kMaxChainBytes, " is safe"));
  }
}

bool MustStaple(const X509* leaf) {
  const bssl::UniquePtr<ASN1_OBJECT> oid(OBJ_txt2obj(kTlsFeature, /*dont_search_names=*/1));
  const int at = X509_get_ext_by_OBJ(leaf, oid.get(), -1);
  if (at < 0) return false;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(leaf, at));
  CBS cbs;
  CBS features;
  uint64_t feature = 0;
  CBS_init(&cbs, ASN1_STRING_get0_data(value), static_cast<size_t>(ASN1_STRING_length(value)));
  if (CBS_get_asn1(&cbs, &features, CBS_ASN1_SEQUENCE) != 1) return false;
  while (CBS_get_asn1_uint64(&features, &feature) == 1) {
    if (feature == kStatusRequest) return true;
  }
  return false;
}

}  // namespace tlsbridge::tls
