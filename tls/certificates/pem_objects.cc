#include "tls/certificates/pem_objects.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tls/certificates/foreign_format.h"
#include "tls/certificates/key_kind.h"
#include "tls/certificates/pem.h"
#include "tls/certificates/strength.h"

namespace tlsbridge::tls {
namespace {

absl::Status RefuseFile(absl::string_view name, absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", what));
}

absl::Status RefuseBlock(absl::string_view name, const PemBlock& block, absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(name, ":", block.line, ": ", what));
}

// All of its DER, or null.
template <typename T>
bssl::UniquePtr<T> Decode(const PemBlock& block, T* (*d2i)(T**, const uint8_t**, long)) {
  const uint8_t* p = block.der.data();
  bssl::UniquePtr<T> decoded(d2i(nullptr, &p, static_cast<long>(block.der.size())));
  return p == block.der.data() + block.der.size() ? std::move(decoded) : nullptr;
}

template <typename T>
absl::StatusOr<std::vector<bssl::UniquePtr<T>>> AllOf(const std::vector<PemBlock>& blocks,
                                                      PemKind kind, absl::string_view name,
                                                      absl::string_view what,
                                                      absl::string_view label,
                                                      T* (*d2i)(T**, const uint8_t**, long)) {
  std::vector<bssl::UniquePtr<T>> all;
  for (const PemBlock& block : blocks) {
    if (block.kind != kind) continue;
    all.push_back(Decode(block, d2i));
    if (all.back() == nullptr) {
      return RefuseBlock(name, block,
                         absl::StrCat(what, " ", all.size(), " in it cannot be parsed"));
    }
  }
  ERR_clear_error();
  if (!all.empty()) return all;
  return RefuseFile(name, absl::StrCat("holds no PEM ", what, " (no BEGIN ", label, " line)"));
}

bssl::UniquePtr<EVP_PKEY> DecodeKey(const PemBlock& block) {
  const uint8_t* p = block.der.data();
  const auto length = static_cast<long>(block.der.size());
  switch (block.kind) {
    case PemKind::kRsaKey:
      return bssl::UniquePtr<EVP_PKEY>(d2i_PrivateKey(EVP_PKEY_RSA, nullptr, &p, length));
    case PemKind::kEcKey:
      return bssl::UniquePtr<EVP_PKEY>(d2i_PrivateKey(EVP_PKEY_EC, nullptr, &p, length));
    default:
      return bssl::UniquePtr<EVP_PKEY>(d2i_AutoPrivateKey(nullptr, &p, length));
  }
}

// What kind of key it is that cannot be served.
std::string WhatItIs(const PemBlock& block) {
  const absl::string_view der(reinterpret_cast<const char*>(block.der.data()), block.der.size());
  return block.kind == PemKind::kEcKey ? ForeignEcKey(der) : ForeignKey(der);
}

}  // namespace

absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCertificates(absl::string_view pem,
                                                                     absl::string_view name,
                                                                     CrlsBeside crls) {
  const auto blocks = ParsePem(pem, name);
  if (!blocks.ok()) return blocks.status();
  for (const PemBlock& block : *blocks) {
    if (block.kind == PemKind::kCrl && crls == CrlsBeside::kRefused) {
      return RefuseBlock(name, block,
                         "a CRL among certificates revokes nothing; name its file as crl");
    }
  }
  return AllOf<X509>(*blocks, PemKind::kCertificate, name, "certificate", "CERTIFICATE", &d2i_X509);
}

absl::StatusOr<std::vector<bssl::UniquePtr<X509_CRL>>> ParseCrls(absl::string_view pem,
                                                                 absl::string_view name) {
  const auto blocks = ParsePem(pem, name);
  if (!blocks.ok()) return blocks.status();
  return AllOf<X509_CRL>(*blocks, PemKind::kCrl, name, "CRL", "X509 CRL", &d2i_X509_CRL);
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ParsePrivateKey(absl::string_view pem,
                                                          absl::string_view name) {
  const auto blocks = ParsePem(pem, name);
  if (!blocks.ok()) return blocks.status();
  const PemBlock* found = nullptr;
  for (const PemBlock& block : *blocks) {
    if (!block.is_key()) continue;
    if (found != nullptr) {
      return RefuseBlock(name, block,
                         absl::StrCat("a second private key, after that of line ", found->line,
                                      "; only one can be used"));
    }
    found = &block;
  }
  if (found == nullptr) {
    return RefuseFile(name, "holds no PEM private key (no BEGIN PRIVATE KEY line)");
  }
  bssl::UniquePtr<EVP_PKEY> key = DecodeKey(*found);
  const std::optional<KeyKind> kind = key == nullptr ? std::nullopt : KindOf(key.get());
  if (!kind.has_value()) {
    const std::string what = WhatItIs(*found);
    if (key == nullptr && what.empty()) {
      return RefuseBlock(name, *found, "the private key in it cannot be parsed");
    }
    return RefuseBlock(
        name, *found,
        absl::StrCat("is ", what.empty() ? "a kind of key" : what,
                     ", which is not supported; use RSA, or ECDSA with P-256, P-384 or "
                     "P-521: openssl genpkey -algorithm EC -pkeyopt "
                     "ec_paramgen_curve:P-256 -out NEW, and a certificate for it"));
  }
  if (StrengthOf(key.get()) == KeyStrength::kTooSmall) {
    return RefuseFile(name, absl::StrCat("an RSA key of ", EVP_PKEY_bits(key.get()),
                                         " bits is too weak; the minimum is ", kMinRsaBits));
  }
  ERR_clear_error();
  return key;
}

}  // namespace tlsbridge::tls
