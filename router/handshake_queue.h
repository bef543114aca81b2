// Whose handshake goes on next, so that a storm of handshakes does not keep established traffic
// waiting.
//
// A handshake costs a signature: a millisecond with RSA-2048, when an echo costs some microseconds.
// So no handshake goes on while a turn of the loop still has other things to do. Those that can go
// on queue up, whoever came first is served first, and a turn spends no more than kTimePerTurn on
// them, or one step where that takes longer. Then everybody else's sockets are looked at again.
//
// Every step queues, not just the first: a client that has to send a second ClientHello (RFC 8446
// section 4.1.4) would else be signed for out of turn.
//
// Thread: the worker's. Owner: the worker's ConnectionManager; the loop outlives it. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <list>

#include "absl/time/time.h"
#include "bridge/event/event_loop.h"

namespace tlsbridge {

class HandshakeQueue {
 public:
  // Five or so ECDSA handshakes, or a good half of one with RSA-2048: what an echo waits at most,
  // beyond the step that is being taken.
  static constexpr absl::Duration kTimePerTurn = absl::Microseconds(500);

  class Waiter {
   public:
    // Takes one step. It no longer waits.
    virtual void TakeTurn() = 0;
    // It stays for another turn. Called once.
    virtual void Hold() = 0;

   protected:
    ~Waiter() = default;

   private:
    friend class HandshakeQueue;
    std::list<Waiter*>::iterator place_;
    bool waits_ = false;
    bool held_ = false;
  };

  explicit HandshakeQueue(EventLoop* loop);
  ~HandshakeQueue();
  HandshakeQueue(const HandshakeQueue&) = delete;
  HandshakeQueue& operator=(const HandshakeQueue&) = delete;

  // REQUIRES: it does not wait yet. It must be removed before it dies.
  void Add(Waiter* waiter);
  void Remove(Waiter* waiter);

  size_t waiting() const { return waiters_.size(); }
  // How many handshakes have been begun: each has cost a key exchange and, unless it was resumed, a
  // signature.
  uint64_t begun() const { return begun_; }
  void CountBegun() { ++begun_; }

 private:
  bool Serve();

  EventLoop* const loop_;       // Not owned.
  std::list<Waiter*> waiters_;  // Not owned. Those that are held come before those that are not.
  uint64_t begun_ = 0;
};

}  // namespace tlsbridge
