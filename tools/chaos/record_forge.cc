#include "tools/chaos/record_forge.h"

#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/nid.h>

#include <algorithm>
#include <vector>

namespace tlsbridge::chaos {
namespace {

// RFC 8446 section 7.1, with an empty context.
bool ExpandLabel(const EVP_MD* digest, absl::string_view secret, absl::string_view label,
                 uint8_t* out, size_t length) {
  std::string info = {static_cast<char>(length >> 8), static_cast<char>(length)};
  const std::string full = "tls13 " + std::string(label);
  info += static_cast<char>(full.size());
  info += full;
  info += '\0';
  return HKDF_expand(out, length, digest, reinterpret_cast<const uint8_t*>(secret.data()),
                     secret.size(), reinterpret_cast<const uint8_t*>(info.data()),
                     info.size()) == 1;
}

const EVP_AEAD* AeadOf(const SSL_CIPHER* cipher) {
  switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm:
      return EVP_aead_aes_128_gcm();
    case NID_aes_256_gcm:
      return EVP_aead_aes_256_gcm();
    case NID_chacha20_poly1305:
      return EVP_aead_chacha20_poly1305();
    default:
      return nullptr;
  }
}

void AppendBigEndian(std::string* out, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

std::unique_ptr<RecordForge> RecordForge::Create(const SSL* ssl, absl::string_view secret) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  const EVP_AEAD* aead = AeadOf(cipher);
  if (aead == nullptr) return nullptr;
  std::unique_ptr<RecordForge> forge(new RecordForge);
  forge->cipher_ = aead;
  forge->tls13_ = SSL_version(ssl) == TLS1_3_VERSION;
  if (forge->tls13_) {
    const bool sha384 = SSL_CIPHER_get_prf_nid(cipher) == NID_sha384;
    forge->digest_ = sha384 ? EVP_sha384() : EVP_sha256();
    if (!forge->UseSecret(std::string(secret))) return nullptr;
    forge->sequence_ = SSL_get_write_sequence(ssl);
    return forge;
  }
  // RFC 5246 section 6.3, without MAC keys: both keys, then both IVs, the client's first.
  const size_t key_bytes = EVP_AEAD_key_length(aead);
  forge->sequence_ = SSL_get_write_sequence(ssl);
  forge->explicit_nonce_ = aead != EVP_aead_chacha20_poly1305();
  const size_t iv_bytes = forge->explicit_nonce_ ? 4 : 12;
  std::vector<uint8_t> block(SSL_get_key_block_len(ssl));
  if (block.size() != 2 * (key_bytes + iv_bytes) ||
      SSL_generate_key_block(ssl, block.data(), block.size()) != 1) {
    return nullptr;
  }
  std::copy_n(block.begin() + static_cast<ptrdiff_t>(2 * key_bytes), iv_bytes, forge->iv_.begin());
  if (EVP_AEAD_CTX_init(forge->aead_.get(), aead, block.data(), key_bytes,
                        EVP_AEAD_DEFAULT_TAG_LENGTH, nullptr) != 1) {
    return nullptr;
  }
  return forge;
}

// RFC 8446 section 7.3.
bool RecordForge::UseSecret(std::string secret) {
  secret_ = std::move(secret);
  sequence_ = 0;
  std::vector<uint8_t> key(EVP_AEAD_key_length(cipher_));
  aead_.Reset();
  return ExpandLabel(digest_, secret_, "key", key.data(), key.size()) &&
         ExpandLabel(digest_, secret_, "iv", iv_.data(), iv_.size()) &&
         EVP_AEAD_CTX_init(aead_.get(), cipher_, key.data(), key.size(),
                           EVP_AEAD_DEFAULT_TAG_LENGTH, nullptr) == 1;
}

std::string RecordForge::SealKeyUpdate() {
  const std::string record = Seal(SSL3_RT_HANDSHAKE, absl::string_view("\x18\x00\x00\x01\x00", 5));
  std::string next(secret_.size(), '\0');
  ExpandLabel(digest_, secret_, "traffic upd", reinterpret_cast<uint8_t*>(next.data()),
              next.size());
  UseSecret(next);
  return record;
}

std::string RecordForge::Seal(uint8_t type, absl::string_view plaintext, size_t padding) {
  std::string inner(plaintext);
  if (tls13_) {
    inner.push_back(static_cast<char>(type));
    inner.append(padding, '\0');
  }

  std::array<uint8_t, 12> nonce = iv_;
  std::string sequence;
  AppendBigEndian(&sequence, sequence_++, 8);
  for (size_t i = 0; i < 8; ++i) {
    if (explicit_nonce_) {
      nonce[4 + i] = static_cast<uint8_t>(sequence[i]);
    } else {
      nonce[4 + i] ^= static_cast<uint8_t>(sequence[i]);
    }
  }

  const size_t sealed_bytes = inner.size() + EVP_AEAD_max_overhead(EVP_AEAD_CTX_aead(aead_.get()));
  std::string record = {static_cast<char>(tls13_ ? SSL3_RT_APPLICATION_DATA : type), 3, 3};
  AppendBigEndian(&record, sealed_bytes + (explicit_nonce_ ? 8 : 0), 2);
  std::string associated = record;
  if (!tls13_) {
    associated = sequence;
    associated.append({static_cast<char>(type), 3, 3});
    AppendBigEndian(&associated, plaintext.size(), 2);
  }
  if (explicit_nonce_) record += sequence;

  std::string sealed(sealed_bytes, '\0');
  size_t length = 0;
  EVP_AEAD_CTX_seal(aead_.get(), reinterpret_cast<uint8_t*>(sealed.data()), &length, sealed.size(),
                    nonce.data(), nonce.size(), reinterpret_cast<const uint8_t*>(inner.data()),
                    inner.size(), reinterpret_cast<const uint8_t*>(associated.data()),
                    associated.size());
  sealed.resize(length);
  return record + sealed;
}

}  // namespace tlsbridge::chaos
