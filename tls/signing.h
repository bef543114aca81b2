// Signatures that are made on another thread, while the session that needs one waits.
//
// A signature with RSA-2048 takes a millisecond, in which the loop's other connections would wait.
//
// Thread: a job is made, finished and abandoned on its session's thread, and signed on any, also on
// several at once. Owner: shared by the session and the signer, since either may go first. Failure:
// a job that could not be signed fails its session's handshake.
#pragma once

#include <openssl/base.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"

namespace tlsbridge::tls {

class SigningJob {
 public:
  // `algorithm` is a SignatureScheme (RFC 8446 section 4.2.3).
  SigningJob(bssl::UniquePtr<EVP_PKEY> key, uint16_t algorithm, absl::Span<const uint8_t> input,
             absl::AnyInvocable<void()> on_done)
      : key_(std::move(key)),
        algorithm_(algorithm),
        input_(input.begin(), input.end()),
        on_done_(std::move(on_done)) {}
  SigningJob(const SigningJob&) = delete;
  SigningJob& operator=(const SigningJob&) = delete;

  // The signature; empty if it could not be made, or if nobody wants it any more.
  std::vector<uint8_t> Sign() const;

  // The rest on the session's thread. Once, with what Sign() has returned.
  void Finish(std::vector<uint8_t> signature);
  void Abandon() { abandoned_.store(true, std::memory_order_relaxed); }

  bool finished() const { return finished_; }
  const std::vector<uint8_t>& signature() const { return signature_; }

 private:
  const bssl::UniquePtr<EVP_PKEY> key_;
  const uint16_t algorithm_;
  const std::vector<uint8_t> input_;
  std::vector<uint8_t> signature_;
  std::atomic<bool> abandoned_{false};
  bool finished_ = false;
  absl::AnyInvocable<void()> on_done_;
};

class Signer {
 public:
  // Signs and finishes the job on this thread, perhaps before this call has returned.
  virtual void Sign(std::shared_ptr<SigningJob> job) = 0;

 protected:
  ~Signer() = default;
};

// Whether a signature with `key` takes so long that another thread pays.
bool IsSlowToSign(const EVP_PKEY* key);

}  // namespace tlsbridge::tls
