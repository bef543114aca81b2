// Calls back while a descriptor is ready: readable, writable, or either.
//
// Thread: the loop's. Owner: whoever is called back; the descriptor is not owned. The loop must
// outlive it. Failure: Enable() returns an errno, ENOSPC where the user's epoll watches are used
// up; whoever must go on tries again or ends what depends on it.
#pragma once

#include <stdint.h>

#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/libevent_ptr.h"

namespace tlsbridge {

class FdEvent {
 public:
  enum class For : uint8_t { kReading, kWriting, kBoth };

  // Not enabled.
  FdEvent(EventLoop* loop, int fd, absl::AnyInvocable<void()> on_ready, For what = For::kReading);
  FdEvent(const FdEvent&) = delete;
  FdEvent& operator=(const FdEvent&) = delete;

  // 0, also if it is enabled already; or the errno with which the system refuses, and it is as it
  // was.
  [[nodiscard]] int Enable();
  void Disable();

 private:
  static void OnReady(int fd, short what, void* self);

  absl::AnyInvocable<void()> on_ready_;
  EventPtr event_;  // after the callback, so that it dies first
};

}  // namespace tlsbridge
