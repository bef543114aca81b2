#include "tls/signing.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include <utility>

namespace tlsbridge::tls {

std::vector<uint8_t> SigningJob::Sign() const {
  std::vector<uint8_t> signature;
  if (abandoned_.load(std::memory_order_relaxed)) return signature;
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX* options;  // owned by `context`
  size_t length = 0;
  bool ok =
      EVP_DigestSignInit(context.get(), &options, SSL_get_signature_algorithm_digest(algorithm_),
                         nullptr, key_.get()) == 1;
  if (ok && SSL_is_signature_algorithm_rsa_pss(algorithm_) == 1) {
    // The salt is as long as the digest (RFC 8446 section 4.2.3).
    ok = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(options, /*salt_len=*/-1) == 1;
  }
  ok = ok && EVP_DigestSign(context.get(), nullptr, &length, input_.data(), input_.size()) == 1;
  if (ok) {
    signature.resize(length);
    ok =
        EVP_DigestSign(context.get(), signature.data(), &length, input_.data(), input_.size()) == 1;
  }
  signature.resize(ok ? length : 0);
  ERR_clear_error();
  return signature;
}

void SigningJob::Finish(std::vector<uint8_t> signature) {
  signature_ = std::move(signature);
  finished_ = true;
  if (!abandoned_.load(std::memory_order_relaxed)) on_done_();
}

bool IsSlowToSign(const EVP_PKEY* key) { return EVP_PKEY_id(key) == EVP_PKEY_RSA; }

}  // namespace tlsbridge::tls
