// The signatures of one handshake, made by a Signer while their session waits.
//
// Thread: the session's. Owner: the session; the signer outlives it. Failure: a signature that
// cannot be made fails the handshake.
#pragma once

#include <openssl/base.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "tls/signing.h"

namespace tlsbridge::tls {

class DelegatedSignature {
 public:
  DelegatedSignature(Signer* signer, bssl::UniquePtr<EVP_PKEY> key)
      : signer_(signer), key_(std::move(key)) {}
  DelegatedSignature(const DelegatedSignature&) = delete;
  DelegatedSignature& operator=(const DelegatedSignature&) = delete;
  ~DelegatedSignature() {
    if (job_ != nullptr) job_->Abandon();
  }

  // Called from the signer's turn, when a signature is there. Also amid Begin(), if the signer has
  // made it by then.
  void set_on_signed(absl::AnyInvocable<void()> on_signed) { on_signed_ = std::move(on_signed); }

  bool is_pending() const { return job_ != nullptr; }

  // What an SSL_PRIVATE_KEY_METHOD is asked.
  ssl_private_key_result_t Begin(uint16_t algorithm, absl::Span<const uint8_t> input,
                                 absl::Span<uint8_t> room, size_t* length);
  ssl_private_key_result_t Complete(absl::Span<uint8_t> room, size_t* length);

 private:
  Signer* const signer_;  // Not owned.
  const bssl::UniquePtr<EVP_PKEY> key_;
  std::shared_ptr<SigningJob> job_;  // while a signature is being made
  absl::AnyInvocable<void()> on_signed_;
};

}  // namespace tlsbridge::tls
