#include "router/handshakes/handshake_queue.h"

#include <utility>

namespace tlsbridge {

HandshakeQueue::HandshakeQueue(EventLoop* loop, absl::AnyInvocable<bool() const> signer_has_room)
    : loop_(loop), signer_has_room_(std::move(signer_has_room)) {
  loop_->set_chore([this] { return Serve(); });
}

HandshakeQueue::~HandshakeQueue() { loop_->set_chore(nullptr); }

void HandshakeQueue::Add(Waiter* waiter, const void* route, Needs needs) {
  (needs == Needs::kSigner ? for_signer_ : for_worker_).Add(waiter, route);
}

// True if some are left for the next turn. Where the signer is full, its next signature wakes the
// loop.
bool HandshakeQueue::Serve() {
  Turns* next = Next();
  if (next == nullptr) return false;
  const absl::Time start = loop_->clock().Monotonic();
  do {
    signers_turn_ = next != &for_signer_;
    static_cast<Waiter*>(next->Next())->TakeTurn();
    next = Next();
  } while (next != nullptr && loop_->clock().Monotonic() - start < kTimePerTurn);
  return next != nullptr;
}

// Null if nobody can go on.
Turns* HandshakeQueue::Next() {
  const bool worker = !for_worker_.empty();
  const bool signer = !for_signer_.empty() && signer_has_room_();
  if (signer && (signers_turn_ || !worker)) return &for_signer_;
  return worker ? &for_worker_ : nullptr;
}

}  // namespace tlsbridge
