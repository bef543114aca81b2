#include "router/handshake_queue.h"

#include <utility>

namespace tlsbridge {

HandshakeQueue::HandshakeQueue(EventLoop* loop) : loop_(loop) {
  loop_->set_chore([this] { return Serve(); });
}

HandshakeQueue::~HandshakeQueue() { loop_->set_chore(nullptr); }

void HandshakeQueue::Add(Waiter* waiter) {
  waiter->place_ = waiters_.insert(waiters_.end(), waiter);
  waiter->waits_ = true;
  waiter->held_ = false;
}

void HandshakeQueue::Remove(Waiter* waiter) {
  if (std::exchange(waiter->waits_, false)) waiters_.erase(waiter->place_);
}

// True if some are left for the next turn.
bool HandshakeQueue::Serve() {
  if (waiters_.empty()) return false;
  const absl::Time start = loop_->clock().Monotonic();
  do {
    Waiter* const next = waiters_.front();
    Remove(next);
    next->TakeTurn();
  } while (!waiters_.empty() && loop_->clock().Monotonic() - start < kTimePerTurn);
  for (auto it = waiters_.rbegin(); it != waiters_.rend() && !(*it)->held_; ++it) {
    (*it)->held_ = true;
    (*it)->Hold();
  }
  return !waiters_.empty();
}

}  // namespace tlsbridge
