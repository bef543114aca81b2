#include "router/connections/backend_attempts.h"

#include <errno.h>

#include <algorithm>
#include <utility>

namespace tlsbridge {
namespace {

// What a backend gets at least to accept, and for its TLS handshake.
constexpr absl::Duration kLeastAttempt = absl::Seconds(1);

}  // namespace

bool BackendAttempts::Next(BackendPool* pool, uint64_t random) {
  if (left() == 0) return false;
  BackendPool::Lease lease = pool->Pick(record_->peer, tried_, loop_->common_now(), random);
  if (!lease) return false;
  lease_ = std::move(lease);
  tried_.push_back(lease_.endpoint());
  return true;
}

void BackendAttempts::Begin(const BackendPool& pool) {
  record_->attempt_began_at = loop_->now();
  record_->attempt_ends_at = Ends(pool);
}

size_t BackendAttempts::left() const {
  const auto most = static_cast<size_t>(record_->route->timeouts.connect_attempts);
  return most - std::min(most, tried_.size());
}

absl::Time BackendAttempts::Ends(const BackendPool& pool) const {
  const size_t others = std::min(left(), pool.Untried(tried_, loop_->common_now()));
  if (others == 0) return absl::InfiniteFuture();
  const absl::Duration rest =
      record_->connecting_since + record_->route->timeouts.connect - loop_->now();
  return loop_->now() + std::max(kLeastAttempt, rest / static_cast<int64_t>(others + 1));
}

void BackendAttempts::Connected() {
  lease_.Connected(loop_->common_now());
  tried_.clear();
  tried_.shrink_to_fit();
  retry_.reset();
}

void BackendAttempts::Failed(int error) { lease_.Failed(error, loop_->common_now()); }

void BackendAttempts::TimedOut() {
  const absl::Duration fair = std::min(kLeastAttempt, record_->route->timeouts.connect);
  if (lease_ && loop_->now() - record_->attempt_began_at >= fair) Failed(ETIMEDOUT);
}

bool BackendAttempts::Retry(absl::AnyInvocable<void()> dial) {
  if (retry_ != nullptr) return false;
  record_->attempt_ends_at = absl::InfiniteFuture();
  retry_ = std::make_unique<Timer>(loop_, std::move(dial));
  retry_->ArmAfter(kRedialDelay);
  return true;
}

void BackendAttempts::Stop() {
  if (retry_ != nullptr) retry_->Cancel();
}

}  // namespace tlsbridge
