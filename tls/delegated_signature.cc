#include "tls/delegated_signature.h"

#include <algorithm>
#include <vector>

namespace tlsbridge::tls {

ssl_private_key_result_t DelegatedSignature::Begin(uint16_t algorithm,
                                                   absl::Span<const uint8_t> input,
                                                   absl::Span<uint8_t> room, size_t* length) {
  job_ = std::make_shared<SigningJob>(bssl::UpRef(key_), algorithm, input, [this] {
    if (on_signed_) on_signed_();
  });
  signer_->Sign(job_);
  return Complete(room, length);
}

ssl_private_key_result_t DelegatedSignature::Complete(absl::Span<uint8_t> room, size_t* length) {
  if (!job_->finished()) return ssl_private_key_retry;
  const std::shared_ptr<SigningJob> job = std::exchange(job_, nullptr);
  const std::vector<uint8_t>& signature = job->signature();
  if (signature.empty() || signature.size() > room.size()) return ssl_private_key_failure;
  std::copy(signature.begin(), signature.end(), room.begin());
  *length = signature.size();
  return ssl_private_key_success;
}

}  // namespace tlsbridge::tls
