// How much is alive right now. Each count is held by the object that it counts, so that a leak
// cannot hide.
//
// Thread: one worker's. Owner: the worker; it outlives what it counts. Failure: none.
#pragma once

#include <stdint.h>

namespace tlsbridge {

struct LiveCounters {
  int64_t records = 0;
  int64_t sockets = 0;  // of clients and backends, not listeners
};

// Counts while it lives.
class LiveCount {
 public:
  explicit LiveCount(int64_t* count) : count_(count) { ++*count_; }
  LiveCount(const LiveCount&) = delete;
  LiveCount& operator=(const LiveCount&) = delete;
  ~LiveCount() { --*count_; }

 private:
  int64_t* const count_;  // Not owned.
};

}  // namespace tlsbridge
