#include "tests/tls/test_ocsp.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "gtest/gtest.h"

namespace tlsbridge::testing {
namespace {

constexpr unsigned kContext0 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
constexpr unsigned kContext2 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 2;

bool AddTime(CBB* cbb, absl::Time time) {
  const std::string text = absl::FormatTime("%Y%m%d%H%M%SZ", time, absl::UTCTimeZone());
  CBB value;
  return CBB_add_asn1(cbb, &value, CBS_ASN1_GENERALIZEDTIME) &&
         CBB_add_bytes(&value, reinterpret_cast<const uint8_t*>(text.data()), text.size()) &&
         CBB_flush(cbb);
}

bool AddCertificateId(CBB* cbb, const X509* leaf) {
  const uint8_t* name;
  size_t name_length;
  X509_NAME_get0_der(X509_get_issuer_name(leaf), &name, &name_length);
  uint8_t digest[SHA_DIGEST_LENGTH];
  SHA1(name, name_length, digest);
  uint8_t* serial = nullptr;
  const int serial_length = i2d_ASN1_INTEGER(X509_get0_serialNumber(leaf), &serial);
  bssl::UniquePtr<uint8_t> owned(serial);
  CBB id, algorithm, name_hash, key_hash;
  return CBB_add_asn1(cbb, &id, CBS_ASN1_SEQUENCE) &&
         CBB_add_asn1(&id, &algorithm, CBS_ASN1_SEQUENCE) && OBJ_nid2cbb(&algorithm, NID_sha1) &&
         CBB_add_asn1(&id, &name_hash, CBS_ASN1_OCTETSTRING) &&
         CBB_add_bytes(&name_hash, digest, sizeof(digest)) &&
         CBB_add_asn1(&id, &key_hash, CBS_ASN1_OCTETSTRING) &&
         CBB_add_bytes(&key_hash, digest, sizeof(digest)) &&
         CBB_add_bytes(&id, serial, static_cast<size_t>(serial_length)) && CBB_flush(cbb);
}

}  // namespace

std::string MakeOcspResponse(const tls::KeyPair& pair, absl::Time next_update) {
  const absl::Time this_update = next_update - absl::Hours(1);
  bssl::ScopedCBB cbb;
  CBB response, status, bytes_tag, bytes, type, octets, basic, data, by_key, key, responses, single,
      good, next, algorithm, signature;
  const bool made =
      CBB_init(cbb.get(), 512) && CBB_add_asn1(cbb.get(), &response, CBS_ASN1_SEQUENCE) &&
      CBB_add_asn1(&response, &status, CBS_ASN1_ENUMERATED) && CBB_add_u8(&status, 0) &&
      CBB_add_asn1(&response, &bytes_tag, kContext0) &&
      CBB_add_asn1(&bytes_tag, &bytes, CBS_ASN1_SEQUENCE) &&
      CBB_add_asn1(&bytes, &type, CBS_ASN1_OBJECT) &&
      CBB_add_bytes(&type, reinterpret_cast<const uint8_t*>("\x2b\x06\x01\x05\x05\x07\x30\x01\x01"),
                    9) &&
      CBB_add_asn1(&bytes, &octets, CBS_ASN1_OCTETSTRING) &&
      CBB_add_asn1(&octets, &basic, CBS_ASN1_SEQUENCE) &&
      CBB_add_asn1(&basic, &data, CBS_ASN1_SEQUENCE) && CBB_add_asn1(&data, &by_key, kContext2) &&
      CBB_add_asn1(&by_key, &key, CBS_ASN1_OCTETSTRING) && AddTime(&data, this_update) &&
      CBB_add_asn1(&data, &responses, CBS_ASN1_SEQUENCE) &&
      CBB_add_asn1(&responses, &single, CBS_ASN1_SEQUENCE) &&
      AddCertificateId(&single, pair.chain.front().get()) &&
      CBB_add_asn1(&single, &good, CBS_ASN1_CONTEXT_SPECIFIC | 0) &&
      AddTime(&single, this_update) && CBB_add_asn1(&single, &next, kContext0) &&
      AddTime(&next, next_update) && CBB_add_asn1(&basic, &algorithm, CBS_ASN1_SEQUENCE) &&
      OBJ_nid2cbb(&algorithm, NID_ecdsa_with_SHA256) &&
      CBB_add_asn1(&basic, &signature, CBS_ASN1_BITSTRING) && CBB_add_u8(&signature, 0) &&
      CBB_flush(cbb.get());
  EXPECT_TRUE(made);
  return std::string(reinterpret_cast<const char*>(CBB_data(cbb.get())), CBB_len(cbb.get()));
}

}  // namespace tlsbridge::testing
