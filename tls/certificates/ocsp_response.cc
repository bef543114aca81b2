#include "tls/certificates/ocsp_response.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/x509.h>

#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/pem_file.h"

namespace tlsbridge::tls {
namespace {

// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1 (RFC 6960 section 4.2.1).
constexpr uint8_t kBasicResponse[] = {0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1};
constexpr unsigned kExplicit0 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
constexpr unsigned kExplicit1 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 1;
constexpr unsigned kExplicit2 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 2;
// CertStatus ::= CHOICE { good [0], revoked [1], unknown [2] }, implicitly tagged.
constexpr unsigned kGood = CBS_ASN1_CONTEXT_SPECIFIC | 0;
constexpr unsigned kRevoked = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 1;
constexpr unsigned kUnknown = CBS_ASN1_CONTEXT_SPECIFIC | 2;

struct SingleResponse {
  CBS hash_oid;
  CBS issuer_name_hash;
  CBS issuer_key_hash;
  CBS serial;
  unsigned status;
  CBS this_update;
  CBS next_update;
  int has_next_update;
};

absl::string_view Text(const CBS& cbs) {
  return {reinterpret_cast<const char*>(CBS_data(&cbs)), CBS_len(&cbs)};
}

// RFC 6960 section 4.2.1: OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED,
// responseBytes [0] EXPLICIT SEQUENCE { responseType, response } OPTIONAL }
bool TakeStatus(CBS* response, uint8_t* status) {
  CBS value;
  if (!CBS_get_asn1(response, &value, CBS_ASN1_ENUMERATED) || !CBS_get_u8(&value, status) ||
      CBS_len(&value) != 0) {
    return false;
  }
  return true;
}

// The SEQUENCE OF SingleResponse in what follows the status.
bool TakeResponses(CBS* response, CBS* responses) {
  CBS wrapped;
  CBS bytes;
  CBS type;
  CBS octets;
  CBS basic;
  CBS data;
  CBS responder;
  unsigned tag;
  size_t header_bytes;
  if (!CBS_get_asn1(response, &wrapped, kExplicit0) || CBS_len(response) != 0 ||
      !CBS_get_asn1(&wrapped, &bytes, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&bytes, &type, CBS_ASN1_OBJECT) ||
      !CBS_mem_equal(&type, kBasicResponse, sizeof(kBasicResponse)) ||
      !CBS_get_asn1(&bytes, &octets, CBS_ASN1_OCTETSTRING) ||
      !CBS_get_asn1(&octets, &basic, CBS_ASN1_SEQUENCE) || CBS_len(&octets) != 0 ||
      !CBS_get_asn1(&basic, &data, CBS_ASN1_SEQUENCE)) {
    return false;
  }
  // ResponseData: version [0] DEFAULT v1, responderID by name [1] or by key [2], producedAt.
  return CBS_get_optional_asn1(&data, nullptr, nullptr, kExplicit0) == 1 &&
         CBS_get_any_asn1_element(&data, &responder, &tag, &header_bytes) == 1 &&
         (tag == kExplicit1 || tag == kExplicit2) &&
         CBS_get_asn1(&data, nullptr, CBS_ASN1_GENERALIZEDTIME) == 1 &&
         CBS_get_asn1(&data, responses, CBS_ASN1_SEQUENCE) == 1;
}

bool TakeSingle(CBS* responses, SingleResponse* single) {
  CBS sequence;
  CBS id;
  CBS algorithm;
  CBS status;
  size_t header_bytes;
  CBS wrapped;
  if (!CBS_get_asn1(responses, &sequence, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&sequence, &id, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&id, &algorithm, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&algorithm, &single->hash_oid, CBS_ASN1_OBJECT) ||
      !CBS_get_asn1(&id, &single->issuer_name_hash, CBS_ASN1_OCTETSTRING) ||
      !CBS_get_asn1(&id, &single->issuer_key_hash, CBS_ASN1_OCTETSTRING) ||
      !CBS_get_asn1(&id, &single->serial, CBS_ASN1_INTEGER) || CBS_len(&id) != 0 ||
      !CBS_get_any_asn1_element(&sequence, &status, &single->status, &header_bytes) ||
      !CBS_get_asn1(&sequence, &single->this_update, CBS_ASN1_GENERALIZEDTIME) ||
      !CBS_get_optional_asn1(&sequence, &wrapped, &single->has_next_update, kExplicit0)) {
    return false;
  }
  return single->has_next_update == 0 ||
         CBS_get_asn1(&wrapped, &single->next_update, CBS_ASN1_GENERALIZEDTIME) == 1;
}

// The contents of its DER INTEGER.
std::string SerialOf(const X509* certificate) {
  uint8_t* der = nullptr;
  const int length = i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate), &der);
  if (length <= 0) return {};
  bssl::UniquePtr<uint8_t> owned(der);
  CBS cbs;
  CBS value;
  CBS_init(&cbs, der, static_cast<size_t>(length));
  return CBS_get_asn1(&cbs, &value, CBS_ASN1_INTEGER) == 1 ? std::string(Text(value)) : "";
}

bool HashIs(const CBS& hash, const EVP_MD* algorithm, absl::Span<const uint8_t> of) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  return EVP_Digest(of.data(), of.size(), digest, &length, algorithm, nullptr) == 1 &&
         CBS_mem_equal(&hash, digest, length) == 1;
}

// Whether the response is by the leaf's issuer, as far as that can be seen: serial numbers are
// unique only to their issuer.
bool IsByIssuer(const SingleResponse& single, const KeyPair& pair) {
  CBS oid = single.hash_oid;
  const EVP_MD* algorithm = EVP_get_digestbynid(OBJ_cbs2nid(&oid));
  if (algorithm == nullptr) return true;
  const uint8_t* name = nullptr;
  size_t name_length = 0;
  if (X509_NAME_get0_der(X509_get_issuer_name(pair.chain.front().get()), &name, &name_length) !=
          1 ||
      !HashIs(single.issuer_name_hash, algorithm, {name, name_length})) {
    return false;
  }
  if (pair.chain.size() < 2) return true;
  const ASN1_BIT_STRING* key = X509_get0_pubkey_bitstr(pair.chain[1].get());
  return HashIs(single.issuer_key_hash, algorithm,
                {ASN1_STRING_get0_data(key), static_cast<size_t>(ASN1_STRING_length(key))});
}

// RFC 6960 section 4.2.1.
const char* StatusName(uint8_t status) {
  constexpr const char* kNames[] = {"successful",  "malformedRequest", "internalError",
                                    "tryLater",    "4 (undefined)",    "sigRequired",
                                    "unauthorized"};
  return status < std::size(kNames) ? kNames[status] : "unknown";
}

}  // namespace

absl::StatusOr<OcspResponse> ParseOcspResponse(absl::string_view der, absl::string_view name,
                                               const KeyPair& pair) {
  const auto refuse = [name](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", what));
  };
  CBS cbs;
  CBS_init(&cbs, reinterpret_cast<const uint8_t*>(der.data()), der.size());
  CBS response;
  uint8_t status;
  if (!CBS_get_asn1(&cbs, &response, CBS_ASN1_SEQUENCE) || CBS_len(&cbs) != 0 ||
      !TakeStatus(&response, &status)) {
    return refuse("is not an OCSP response in DER");
  }
  if (status != 0) {
    return refuse(absl::StrCat("the OCSP responder's answer is an error: ", StatusName(status)));
  }
  CBS responses;
  if (!TakeResponses(&response, &responses)) {
    return refuse("cannot be parsed as a basic OCSP response");
  }
  const std::string serial = SerialOf(pair.chain.front().get());
  while (CBS_len(&responses) > 0) {
    SingleResponse single;
    if (!TakeSingle(&responses, &single)) {
      return refuse("cannot be parsed as a basic OCSP response");
    }
    if (std::string(Text(single.serial)) != serial || !IsByIssuer(single, pair)) continue;
    if (single.status == kRevoked)
      return refuse(absl::StrCat("says that ", pair.name, " is revoked"));
    if (single.status != kGood) {
      return refuse(absl::StrCat("says that the status of ", pair.name, " is ",
                                 single.status == kUnknown ? "unknown" : "undefined (RFC 6960)"));
    }
    OcspResponse parsed;
    parsed.der.assign(der.data(), der.size());
    parsed.this_update = ParseGeneralizedTime(Text(single.this_update));
    if (single.has_next_update != 0) {
      parsed.next_update = ParseGeneralizedTime(Text(single.next_update));
    }
    if (parsed.this_update == absl::InfinitePast() || parsed.next_update == absl::InfinitePast()) {
      return refuse("has a time that cannot be parsed");
    }
    return parsed;
  }
  return absl::NotFoundError(absl::StrCat(name, ": is not for the certificate in ", pair.name));
}

absl::StatusOr<OcspResponse> LoadOcspResponse(const std::string& path, const KeyPair& pair) {
  auto der = ReadDerFile(path);
  if (!der.ok()) return der.status();
  return ParseOcspResponse(*der, path, pair);
}

}  // namespace tlsbridge::tls
