// A number that one thread counts up and any other may read, without stopping it.
//
// Thread: one counts; all may read. Owner: whoever counts. Failure: none.
#pragma once

#include <stdint.h>

#include <atomic>

namespace tlsbridge {

class Counter {
 public:
  // With one writer a load and a store do what a locked addition would, and cost less.
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// What bridges carry, as it goes through.
struct Traffic {
  Counter bytes[2];      // by the side that sent them
  Counter pauses[2];     // times that a side was not read from, since the other's queue was full
  Counter turns_waited;  // times that a client was not read from until its handshake's turn
};

}  // namespace tlsbridge
