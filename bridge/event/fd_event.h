// Calls back while a descriptor is ready: readable, writable, or either.
//
// Thread: the loop's. Owner: whoever is called back; the descriptor is not owned. The loop must
// outlive it. Failure: none.
#pragma once

#include <stdint.h>

#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/libevent_ptr.h"

namespace tlsbridge {

class FdEvent {
 public:
  enum class For : uint8_t { kReading, kWriting, kBoth };

  // Enabled from the start.
  FdEvent(EventLoop* loop, int fd, absl::AnyInvocable<void()> on_ready, For what = For::kReading);
  FdEvent(const FdEvent&) = delete;
  FdEvent& operator=(const FdEvent&) = delete;

  void Enable();
  void Disable();

 private:
  static void OnReady(int fd, short what, void* self);

  absl::AnyInvocable<void()> on_ready_;
  EventPtr event_;  // after the callback, so that it dies first
};

}  // namespace tlsbridge
