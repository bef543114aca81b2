// How many handshakes may wait for us at a time: for their turn, or for a signature.
//
// A handshake costs a signature, and one that waits too long is lost when its turn comes: its
// client has given up. Refusing at once those who would wait in vain is kinder to them, who can try
// elsewhere, and leaves the time to those who were first.
//
// A handshake that waits for its client has no slot, or clients that say nothing would hold all:
// it releases its slot with each answer, and takes one again when the client's next bytes come.
// It is not refused then, since most of its work is done: it queues with the others, and while
// there are more than may be, those that begin are refused. Who owes us bytes is bounded by
// Admission, for each address, and by the handshake timeout.
//
// Thread: any; a counter that is written some times a handshake. Owner: the router; it outlives its
// slots. Failure: no slot.
#pragma once

#include <stdint.h>

#include <atomic>
#include <utility>

#include "router/config/config.h"

namespace tlsbridge {

class HandshakeLimit {
 public:
  // Held by a handshake that waits for us; given back when it dies.
  class Slot {
   public:
    Slot() = default;
    Slot(Slot&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)) {}
    Slot& operator=(Slot&& other) noexcept {
      std::swap(limit_, other.limit_);
      return *this;
    }
    ~Slot() { Release(); }

    void Release() {
      if (HandshakeLimit* const limit = std::exchange(limit_, nullptr)) limit->Release();
    }
    explicit operator bool() const { return limit_ != nullptr; }

   private:
    friend class HandshakeLimit;
    explicit Slot(HandshakeLimit* limit) : limit_(limit) {}

    HandshakeLimit* limit_ = nullptr;  // Not owned.
  };

  // What a worker gets through in half of the default handshake timeout, at a millisecond each with
  // an RSA-2048 key and without a core to itself: who comes behind so many is too late.
  static constexpr int64_t kDefaultPerWorker = 5000;

  // `limits` of the whole program, its `handshakes` filled in where it is zero.
  static Limits WithDefault(Limits limits, int workers);

  explicit HandshakeLimit(int64_t limit) : limit_(limit) {}
  HandshakeLimit(const HandshakeLimit&) = delete;
  HandshakeLimit& operator=(const HandshakeLimit&) = delete;

  // For a handshake that begins: an empty one if there are as many as there may be.
  Slot Take();
  // For one that goes on. Never empty.
  Slot TakeAgain();

  // Applies to whoever comes from now on.
  void SetLimit(int64_t limit) { limit_.store(limit, std::memory_order_relaxed); }

  int64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  int64_t limit() const { return limit_.load(std::memory_order_relaxed); }

 private:
  void Release() { waiting_.fetch_sub(1, std::memory_order_relaxed); }

  std::atomic<int64_t> limit_;
  // On a cache line of its own: written by all workers.
  alignas(64) std::atomic<int64_t> waiting_{0};
};

}  // namespace tlsbridge
