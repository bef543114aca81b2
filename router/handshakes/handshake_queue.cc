#include "router/handshakes/handshake_queue.h"

#include <utility>

namespace tlsbridge {

HandshakeQueue::HandshakeQueue(EventLoop* loop, const SigningThread* signer)
    : loop_(loop), signer_(signer) {
  loop_->set_chore([this] { return Serve(); });
}

HandshakeQueue::~HandshakeQueue() { loop_->set_chore(nullptr); }

void HandshakeQueue::Add(Waiter* waiter) {
  waiter->place_ = waiters_.insert(waiters_.end(), waiter);
  waiter->waits_ = true;
}

void HandshakeQueue::Remove(Waiter* waiter) {
  if (std::exchange(waiter->waits_, false)) waiters_.erase(waiter->place_);
}

// True if some are left for the next turn. Where the signer is full, its next signature wakes the
// loop.
bool HandshakeQueue::Serve() {
  if (waiters_.empty()) return false;
  const absl::Time start = loop_->clock().Monotonic();
  while (!waiters_.empty() && !signer_->full()) {
    Waiter* const next = waiters_.front();
    Remove(next);
    next->TakeTurn();
    if (loop_->clock().Monotonic() - start >= kTimePerTurn) break;
  }
  return !waiters_.empty() && !signer_->full();
}

}  // namespace tlsbridge
