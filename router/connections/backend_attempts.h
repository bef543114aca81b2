// Which backend a client gets: one after the other is tried until one answers, none of them twice.
//
// Those that may still be tried share the rest of connect_timeout, so that one that never answers
// does not use up all; but none has less than one that is well needs. What is cut short below that
// is no failure of the backend's, nor is a shortage of this machine's own.
//
// Thread: the worker's. Owner: the Connection; the loop and its record outlive it. Failure: none.
#pragma once

#include <stdint.h>

#include <memory>

#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/backends/backend_pool.h"
#include "router/connections/connection_record.h"

namespace tlsbridge {

// When to dial again if this machine was out of descriptors, ports or memory.
inline constexpr absl::Duration kRedialDelay = absl::Milliseconds(100);

class BackendAttempts {
 public:
  BackendAttempts(EventLoop* loop, ConnectionRecord* record) : loop_(loop), record_(record) {}
  BackendAttempts(const BackendAttempts&) = delete;
  BackendAttempts& operator=(const BackendAttempts&) = delete;

  // Leases the next one, after its record has a route. False if none may be tried. `random` is
  // anything.
  bool Next(BackendPool* pool, uint64_t random);
  // Its time runs from now on.
  void Begin(const BackendPool& pool);
  void Connected();
  void Failed(int error);
  // It has not answered in time.
  void TimedOut();
  // The same one again in a moment, once. False if that has been done.
  bool Retry(absl::AnyInvocable<void()> dial);
  // Dials no more.
  void Stop();

  // The one that is tried, or serves; none before Next().
  const BackendPool::Lease& lease() const { return lease_; }

 private:
  absl::Time Ends(const BackendPool& pool) const;
  size_t left() const;

  EventLoop* const loop_;           // Not owned.
  ConnectionRecord* const record_;  // Not owned.
  BackendPool::Lease lease_;
  absl::InlinedVector<EndpointId, 2> tried_;  // until one answers
  std::unique_ptr<Timer> retry_;              // likewise
};

}  // namespace tlsbridge
