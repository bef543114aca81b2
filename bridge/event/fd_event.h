// Calls back while a descriptor is readable.
//
// Thread: the loop's. Owner: whoever is called back; the descriptor is not owned. The loop must
// outlive it. Failure: none.
#pragma once

#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/libevent_ptr.h"

namespace tlsbridge {

class FdEvent {
 public:
  // Enabled from the start.
  FdEvent(EventLoop* loop, int fd, absl::AnyInvocable<void()> on_readable);
  FdEvent(const FdEvent&) = delete;
  FdEvent& operator=(const FdEvent&) = delete;

  void Enable();
  void Disable();

 private:
  static void OnReadable(int fd, short what, void* self);

  absl::AnyInvocable<void()> on_readable_;
  EventPtr event_;  // after the callback, so that it dies first
};

}  // namespace tlsbridge
