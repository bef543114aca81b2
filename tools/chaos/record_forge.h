// Encrypts records with the keys of a session, so that a client can say what BoringSSL would not:
// empty records, padding, a ClientHello after the handshake, a type that does not exist.
//
// Thread: one. A value. Failure: Create() returns nothing for a cipher that it does not know.
#pragma once

#include <openssl/aead.h>
#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge::chaos {

class RecordForge {
 public:
  // Goes on where `ssl`, a client, has stopped writing; after this `ssl` must write no more.
  // `secret` is client_application_traffic_secret_0 of TLS 1.3; empty for TLS 1.2.
  static std::unique_ptr<RecordForge> Create(const SSL* ssl, absl::string_view secret);

  // RFC 8446 section 5.2 or RFC 5246 section 6.2.3.3. `padding` is for TLS 1.3 only.
  std::string Seal(uint8_t type, absl::string_view plaintext, size_t padding = 0);
  // A KeyUpdate that asks for none in return; what follows is encrypted with the next keys
  // (RFC 8446 section 7.2). REQUIRES: TLS 1.3.
  std::string SealKeyUpdate();

 private:
  RecordForge() = default;
  bool UseSecret(std::string secret);

  const EVP_AEAD* cipher_ = nullptr;
  const EVP_MD* digest_ = nullptr;
  std::string secret_;
  bssl::ScopedEVP_AEAD_CTX aead_;
  std::array<uint8_t, 12> iv_ = {};
  uint64_t sequence_ = 0;
  bool tls13_ = false;
  bool explicit_nonce_ = false;  // AES-GCM in TLS 1.2 (RFC 5288)
};

}  // namespace tlsbridge::chaos
