// Whose handshake goes on next, so that a storm of handshakes does not keep established traffic
// waiting.
//
// A step of a handshake costs a fifth of a millisecond, when an echo costs some microseconds. So no
// handshake goes on while a turn of the loop still has other things to do. Those that can go on
// queue up, whoever came first is served first, and a turn spends no more than kTimePerTurn on
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
#include "router/handshakes/signing_thread.h"

namespace tlsbridge {

class HandshakeQueue {
 public:
  // One step that costs a key exchange, or some that do not. An echo waits for that twice, once
  // each way; to look at the sockets again costs about a microsecond.
  static constexpr absl::Duration kTimePerTurn = absl::Microseconds(50);

  class Waiter {
   public:
    // Takes one step. It no longer waits.
    virtual void TakeTurn() = 0;

   protected:
    ~Waiter() = default;

   private:
    friend class HandshakeQueue;
    std::list<Waiter*>::iterator place_;
    bool waits_ = false;
  };

  // No handshake goes on while `signer` has all that it can do.
  HandshakeQueue(EventLoop* loop, const SigningThread* signer);
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

  EventLoop* const loop_;              // Not owned.
  const SigningThread* const signer_;  // Not owned.
  std::list<Waiter*> waiters_;         // Not owned.
  uint64_t begun_ = 0;
};

}  // namespace tlsbridge
