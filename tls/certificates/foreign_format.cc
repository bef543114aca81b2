#include "tls/certificates/foreign_format.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge::tls {
namespace {

constexpr unsigned kExplicit0 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
constexpr char kNewKey[] =
    "to create a supported key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 "
    "-out NEW";

struct Named {
  absl::string_view oid;
  absl::string_view name;
};

constexpr Named kAlgorithms[] = {
    {"1.2.840.113549.1.1.10", "an RSA-PSS key, which can only sign RSA-PSS"},
    {"1.2.840.10040.4.1", "a DSA key"},
    {"1.2.840.113549.1.3.1", "a Diffie-Hellman key"},
    {"1.3.101.110", "an X25519 key, which cannot sign"},
    {"1.3.101.111", "an X448 key, which cannot sign"},
    {"1.3.101.112", "an Ed25519 key"},
    {"1.3.101.113", "an Ed448 key"},
};

constexpr Named kCurves[] = {
    {"1.3.132.0.10", "secp256k1"},
    {"1.3.132.0.33", "P-224"},
    {"1.2.840.10045.3.1.1", "P-192"},
    {"1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"},
    {"1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"},
    {"1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"},
    {"1.2.156.10197.1.301", "SM2"},
};
constexpr absl::string_view kEcPublicKey = "1.2.840.10045.2.1";

CBS Of(absl::string_view bytes) {
  CBS cbs;
  CBS_init(&cbs, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return cbs;
}

std::string TakeOid(CBS* cbs) {
  CBS oid;
  if (!CBS_get_asn1(cbs, &oid, CBS_ASN1_OBJECT)) return "";
  const bssl::UniquePtr<char> text(CBS_asn1_oid_to_text(&oid));
  return text == nullptr ? "" : text.get();
}

template <size_t N>
std::string NameIn(const Named (&table)[N], const std::string& oid) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [&oid](const Named& entry) { return entry.oid == oid; });
  return found == std::end(table) ? "" : std::string(found->name);
}

// `parameters` are those of RFC 5480 section 2.1.1.
std::string EcKeyOn(CBS* parameters) {
  const std::string oid = TakeOid(parameters);
  if (oid.empty()) return "an EC key whose curve has no name";
  const std::string name = NameIn(kCurves, oid);
  return absl::StrCat("an EC key on the curve ", name.empty() ? oid : name);
}

bool ParsesAs(absl::string_view bytes, bool (*parse)(const uint8_t** p, long length)) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  const bool parsed = parse(&p, static_cast<long>(bytes.size()));
  ERR_clear_error();
  return parsed;
}

bool IsCertificate(const uint8_t** p, long length) {
  return bssl::UniquePtr<X509>(d2i_X509(nullptr, p, length)) != nullptr;
}
bool IsCrl(const uint8_t** p, long length) {
  return bssl::UniquePtr<X509_CRL>(d2i_X509_CRL(nullptr, p, length)) != nullptr;
}
bool IsKey(const uint8_t** p, long length) {
  return bssl::UniquePtr<EVP_PKEY>(d2i_AutoPrivateKey(nullptr, p, length)) != nullptr;
}

std::string Convert(absl::string_view what, absl::string_view command, absl::string_view name,
                    absl::string_view more = "") {
  return absl::StrCat("is ", what, ", not PEM; to convert it: openssl ", command, " -in ", name,
                      more, " -out NEW");
}

// A SEQUENCE in DER: which, by what it begins with.
std::string ForeignDer(absl::string_view bytes, absl::string_view name) {
  if (ParsesAs(bytes, &IsCertificate)) {
    return Convert("a certificate in DER", "x509 -inform DER", name);
  }
  if (ParsesAs(bytes, &IsCrl)) return Convert("a CRL in DER", "crl -inform DER", name);
  if (ParsesAs(bytes, &IsKey)) return Convert("a private key in DER", "pkey -inform DER", name);
  CBS cbs = Of(bytes);
  CBS sequence;
  if (!CBS_get_asn1(&cbs, &sequence, CBS_ASN1_SEQUENCE)) {
    // Of indefinite length, as some write PKCS #12.
    return absl::StartsWith(bytes, "\x30\x80")
               ? Convert("PKCS #12 or PKCS #7", "pkcs12", name, " -nodes")
               : "";
  }
  CBS next = sequence;
  if (TakeOid(&next) == "1.2.840.113549.1.7.2") {
    return Convert("PKCS #7", "pkcs7 -inform DER -print_certs", name);
  }
  next = sequence;
  uint64_t version = 0;
  CBS inner;
  if (CBS_get_asn1_uint64(&next, &version) && CBS_get_asn1(&next, &inner, CBS_ASN1_SEQUENCE)) {
    CBS content = inner;
    if (version == 3 && absl::StartsWith(TakeOid(&content), "1.2.840.113549.1.7.")) {
      return Convert("PKCS #12", "pkcs12", name, " -nodes");
    }
    if (const std::string key = ForeignKey(bytes); !key.empty()) {
      return absl::StrCat("is ", key, ", in DER; ", kNewKey);
    }
  }
  next = sequence;
  if (CBS_get_asn1(&next, &inner, CBS_ASN1_SEQUENCE) &&
      absl::StartsWith(TakeOid(&inner), "1.2.840.113549.1.5.")) {
    return Convert("an encrypted private key in DER", "pkcs8 -inform DER", name);
  }
  return absl::StrCat("is an unknown object in DER, not PEM");
}

bool IsUtf16(absl::string_view bytes) {
  return absl::StartsWith(bytes, "\xff\xfe") || absl::StartsWith(bytes, "\xfe\xff") ||
         absl::StrContains(bytes, absl::string_view("-\0-\0-\0", 6));
}

}  // namespace

std::string ForeignFile(absl::string_view bytes, absl::string_view name) {
  if (bytes.empty()) return "";
  if (IsUtf16(bytes)) {
    return absl::StrCat("is text in UTF-16; to convert it: iconv -f UTF-16 -t UTF-8 ", name,
                        " > NEW");
  }
  if (absl::StartsWith(bytes, "\xfe\xed\xfe\xed")) {
    return absl::StrCat(
        "is a Java key store; to convert it: keytool -importkeystore -srckeystore ", name,
        " -destkeystore NEW.p12 -deststoretype pkcs12; openssl pkcs12 -in NEW.p12 -nodes -out NEW");
  }
  if (absl::StartsWith(bytes, "PuTTY-User-Key-File"))
    return "is an SSH key in PuTTY's format, not a TLS key";
  if (absl::StartsWith(bytes, "MII")) {
    return "is base64 without the lines '-----BEGIN ...-----' and '-----END ...-----' around it";
  }
  if (absl::StartsWith(bytes, "\x30")) return ForeignDer(bytes, name);
  if (absl::StrContains(bytes, absl::string_view("\0", 1))) return "is binary, not PEM";
  return "";
}

std::string ForeignBlock(absl::string_view label, absl::string_view name) {
  if (label == "ENCRYPTED PRIVATE KEY") {
    return absl::StrCat("the private key is encrypted; to decrypt it: openssl pkey -in ", name,
                        " -out NEW");
  }
  if (label == "PKCS7" || label == "PKCS #7 SIGNED DATA" || label == "CMS") {
    return absl::StrCat("is PKCS #7; to convert it: openssl pkcs7 -print_certs -in ", name,
                        " -out NEW");
  }
  if (label == "TRUSTED CERTIFICATE") {
    return absl::StrCat(
        "is a certificate with OpenSSL's own trust settings; to convert it: openssl x509 -in ",
        name, " -out NEW");
  }
  if (label == "OPENSSH PRIVATE KEY") {
    return absl::StrCat(
        "is a key in OpenSSH's format; to convert it in place: ssh-keygen -p -m PEM -f ", name, "");
  }
  if (label == "DSA PRIVATE KEY") return absl::StrCat("is a DSA key; ", kNewKey);
  if (label == "CERTIFICATE REQUEST" || label == "NEW CERTIFICATE REQUEST") {
    return "is a certificate request, not the certificate that the CA issued for it";
  }
  return "";
}

std::string ForeignKey(absl::string_view pkcs8) {
  CBS cbs = Of(pkcs8);
  CBS sequence;
  CBS algorithm;
  uint64_t version = 0;
  if (!CBS_get_asn1(&cbs, &sequence, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_uint64(&sequence, &version) ||
      !CBS_get_asn1(&sequence, &algorithm, CBS_ASN1_SEQUENCE)) {
    return "";
  }
  const std::string oid = TakeOid(&algorithm);
  return oid == kEcPublicKey ? EcKeyOn(&algorithm) : NameIn(kAlgorithms, oid);
}

std::string ForeignEcKey(absl::string_view der) {
  CBS cbs = Of(der);
  CBS sequence;
  CBS parameters;
  uint64_t version = 0;
  if (!CBS_get_asn1(&cbs, &sequence, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_uint64(&sequence, &version) ||
      !CBS_get_asn1(&sequence, nullptr, CBS_ASN1_OCTETSTRING) ||
      !CBS_get_asn1(&sequence, &parameters, kExplicit0)) {
    return "";
  }
  return EcKeyOn(&parameters);
}

}  // namespace tlsbridge::tls
