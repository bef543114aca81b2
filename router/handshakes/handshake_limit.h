// How many handshakes may be in progress in all: begun, or waiting for their turn.
//
// A handshake costs a signature, and one that waits too long is lost when its turn comes: its
// client has given up. Refusing at once those who would wait in vain is kinder to them, who can try
// elsewhere, and leaves the time to those who were first.
//
// Thread: any; a counter that is taken from once a handshake. Owner: the router; it outlives its
// places. Failure: no place.
#pragma once

#include <stdint.h>

#include <atomic>
#include <utility>

#include "router/config/config.h"

namespace tlsbridge {

class HandshakeLimit {
 public:
  // Held by a handshake in progress; given back when it dies.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(limit_, other.limit_);
      return *this;
    }
    ~Place() { GiveBack(); }

    void GiveBack() {
      if (HandshakeLimit* const limit = std::exchange(limit_, nullptr)) limit->Release();
    }
    explicit operator bool() const { return limit_ != nullptr; }

   private:
    friend class HandshakeLimit;
    explicit Place(HandshakeLimit* limit) : limit_(limit) {}

    HandshakeLimit* limit_ = nullptr;  // Not owned.
  };

  // What a worker gets through in half of the default handshake timeout, at a millisecond each with
  // an RSA-2048 key and without a core to itself: who comes behind so many is too late.
  static constexpr int64_t kDefaultPerWorker = 5000;

  HandshakeLimit(const Limits& limits, int workers) : workers_(workers) { SetLimits(limits); }
  HandshakeLimit(const HandshakeLimit&) = delete;
  HandshakeLimit& operator=(const HandshakeLimit&) = delete;

  // An empty one if there are as many as there may be.
  Place Take();

  // Applies to whoever comes from now on.
  void SetLimits(const Limits& limits);

  int64_t in_progress() const { return in_progress_.load(std::memory_order_relaxed); }
  int64_t limit() const { return limit_.load(std::memory_order_relaxed); }

 private:
  void Release() { in_progress_.fetch_sub(1, std::memory_order_relaxed); }

  const int64_t workers_;
  std::atomic<int64_t> limit_{0};
  // On a cache line of its own: written by all workers.
  alignas(64) std::atomic<int64_t> in_progress_{0};
};

}  // namespace tlsbridge
