// Whose handshake goes on next, so that a storm of handshakes does not keep established traffic
// waiting, nor those that need little behind those that need much.
//
// A step of a handshake costs a fifth of a millisecond, when an echo costs some microseconds. So no
// handshake goes on while a turn of the loop still has other things to do. Those that can go on
// queue up, and a turn spends no more than kTimePerTurn on them, or one step where that takes
// longer. Then everybody else's sockets are looked at again.
//
// There are two queues, in each of which routes take turns (turns.h). Handshakes that another
// thread signs for wait until that has room for one; all others never wait for it. Where both have
// somebody who can go on, they go on by turns.
//
// Every step queues, not just the first: a client that has to send a second ClientHello (RFC 8446
// section 4.1.4) would else be signed for out of turn.
//
// Thread: the worker's. Owner: the worker's ConnectionManager; the loop outlives it. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "router/handshakes/turns.h"

namespace tlsbridge {

class HandshakeQueue {
 public:
  // One step that costs a key exchange, or some that do not. An echo waits for that twice, once
  // each way; to look at the sockets again costs about a microsecond.
  static constexpr absl::Duration kTimePerTurn = absl::Microseconds(50);

  // What the handshake needs.
  enum class Needs : uint8_t {
    kNothing,  // but the worker
    kSigner,
  };

  class Waiter : private Turns::Waiter {
   public:
    // Takes one step. It no longer waits.
    virtual void TakeTurn() = 0;

   protected:
    ~Waiter() = default;

   private:
    friend class HandshakeQueue;
  };

  // `signer_has_room` is asked in each turn. When it comes to have room, the loop must be awake.
  HandshakeQueue(EventLoop* loop, absl::AnyInvocable<bool() const> signer_has_room);
  ~HandshakeQueue();
  HandshakeQueue(const HandshakeQueue&) = delete;
  HandshakeQueue& operator=(const HandshakeQueue&) = delete;

  // `route` is anything that tells routes apart. REQUIRES: it does not wait yet. It must be removed
  // before it dies.
  void Add(Waiter* waiter, const void* route, Needs needs);
  static void Remove(Waiter* waiter) { Turns::Remove(waiter); }

  size_t waiting() const { return for_worker_.size() + for_signer_.size(); }
  // How many handshakes have been begun: each has cost a key exchange and, unless it was resumed, a
  // signature.
  uint64_t begun() const { return begun_; }
  void CountBegun() { ++begun_; }

 private:
  bool Serve();
  Turns* Next();

  EventLoop* const loop_;  // Not owned.
  const absl::AnyInvocable<bool() const> signer_has_room_;
  Turns for_worker_;
  Turns for_signer_;
  bool signers_turn_ = false;  // where both have somebody who can go on
  uint64_t begun_ = 0;
};

}  // namespace tlsbridge
