#include "tls/tickets/ticket_keys.h"

#include <openssl/aes.h>
#include <openssl/cipher.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "tls/context_slot.h"
#include "tls/mutex.h"

namespace tlsbridge::tls {
namespace {

struct Key {
  uint8_t name[SSL_TICKET_KEY_NAME_LEN];
  uint8_t aes[32];
  uint8_t hmac[32];
};

struct KeySet {
  int64_t from_unix_nanos;
  int64_t until_unix_nanos;
  uint64_t generation;
  uint64_t count;
  uint64_t renews;  // bit i: what key i encrypted gets a new ticket
  Key keys[TicketSecrets::kMaxSecrets];
};

class TicketKeys {
 public:
  TicketKeys(std::shared_ptr<TicketSecrets> secrets, absl::string_view binding)
      : secrets_(std::move(secrets)), info_(absl::StrCat("tlsbridge ticket key for ", binding)) {}

  ~TicketKeys() { OPENSSL_cleanse(&set_, sizeof(set_)); }
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  // As BoringSSL's callback: 1 done, 2 done and to be renewed, 0 no key for it, -1 cannot.
  int Prepare(uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac, bool encrypt) {
    KeySet set;
    absl::Cleanup cleanse = [&set] { OPENSSL_cleanse(&set, sizeof(set)); };
    Read(&set);
    return encrypt ? PrepareEncryption(set, name, iv, cipher, hmac)
                   : PrepareDecryption(set, name, iv, cipher, hmac);
  }

 private:
  static int PrepareEncryption(const KeySet& set, uint8_t* name, uint8_t* iv,
                               EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac) {
    if (set.count == 0) return -1;
    const Key& key = set.keys[0];
    memcpy(name, key.name, sizeof(key.name));
    RAND_bytes(iv, AES_BLOCK_SIZE);
    const bool ready = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.aes, iv) == 1 &&
                       HMAC_Init_ex(hmac, key.hmac, sizeof(key.hmac), EVP_sha256(), nullptr) == 1;
    return ready ? 1 : -1;
  }

  static int PrepareDecryption(const KeySet& set, const uint8_t* name, const uint8_t* iv,
                               EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac) {
    for (uint64_t i = 0; i < set.count; ++i) {
      const Key& key = set.keys[i];
      if (memcmp(name, key.name, sizeof(key.name)) != 0) continue;  // names are public
      if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.aes, iv) != 1 ||
          HMAC_Init_ex(hmac, key.hmac, sizeof(key.hmac), EVP_sha256(), nullptr) != 1) {
        return -1;
      }
      return (set.renews >> i & 1) != 0 ? 2 : 1;
    }
    return 0;
  }

  bool Good(const KeySet& set, int64_t now) const {
    return set.from_unix_nanos <= now && now < set.until_unix_nanos &&
           set.generation == secrets_->generation();
  }

  // A copy, so that nobody waits for another's ciphers.
  void Read(KeySet* set) {
    const absl::Time now = secrets_->Now();
    const MutexLock lock(mutex_);
    if (!Good(set_, absl::ToUnixNanos(now))) Derive(secrets_->Take(now), &set_);
    *set = set_;
  }

  void Derive(const TicketSecrets::Snapshot& snapshot, KeySet* set) const {
    OPENSSL_cleanse(set, sizeof(*set));  // gone as soon as they are replaced
    set->from_unix_nanos = absl::ToUnixNanos(snapshot.from);
    set->until_unix_nanos = absl::ToUnixNanos(snapshot.until);
    set->generation = snapshot.generation;
    for (const TicketSecrets::Secret& secret : snapshot.secrets) {
      auto* key = reinterpret_cast<uint8_t*>(&set->keys[set->count]);
      if (HKDF(key, sizeof(Key), EVP_sha256(), secret.bytes.data(), secret.bytes.size(), nullptr, 0,
               reinterpret_cast<const uint8_t*>(info_.data()), info_.size()) != 1) {
        return;  // out of memory
      }
      if (secret.old) set->renews |= uint64_t{1} << set->count;
      ++set->count;
    }
  }

  const std::shared_ptr<TicketSecrets> secrets_;
  const std::string info_;
  Mutex mutex_;
  KeySet set_ ABSL_GUARDED_BY(mutex_) = {};  // no key yet, and good at no time
};

// A ticket has its client's certificates in it, and is shown in a hello, of which 16 KiB are read.
bool HasRoomForCertificates(const SSL* ssl) {
  constexpr size_t kMostBytes = 8 * 1024;
  size_t bytes = 0;
  for (const CRYPTO_BUFFER* certificate : SSL_get0_peer_certificates(ssl)) {
    bytes += CRYPTO_BUFFER_len(certificate);
  }
  return bytes <= kMostBytes;
}

int PrepareTicket(SSL* ssl, uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac,
                  int encrypt) {
  TicketKeys* const keys = ContextSlot<TicketKeys>::Of(ssl);
  if (keys == nullptr) return encrypt == 1 ? -1 : 0;
  if (encrypt == 1 && !HasRoomForCertificates(ssl)) return 0;  // none is sent
  return keys->Prepare(name, iv, cipher, hmac, encrypt == 1);
}

}  // namespace

void InstallTicketKeys(std::shared_ptr<TicketSecrets> secrets, absl::string_view binding,
                       SSL_CTX* ctx) {
  const TicketOptions& options = secrets->options();
  if (options.mode == TicketOptions::Mode::kOff) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return;
  }
  // Secrets decrypt for this long after the last ticket that they encrypted.
  const auto lifetime_seconds = static_cast<uint32_t>(absl::ToInt64Seconds(options.period));
  SSL_CTX_set_timeout(ctx, lifetime_seconds);
  SSL_CTX_set_session_psk_dhe_timeout(ctx, lifetime_seconds);
  ContextSlot<TicketKeys>::Put(std::make_unique<TicketKeys>(std::move(secrets), binding), ctx);
  SSL_CTX_set_tlsext_ticket_key_cb(ctx, &PrepareTicket);
}

}  // namespace tlsbridge::tls
