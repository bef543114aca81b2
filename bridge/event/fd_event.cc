#include "bridge/event/fd_event.h"

#include <event2/event.h>

#include <utility>

namespace tlsbridge {

FdEvent::FdEvent(EventLoop* loop, int fd, absl::AnyInvocable<void()> on_readable)
    : on_readable_(std::move(on_readable)),
      event_(event_new(loop->base(), fd, EV_READ | EV_PERSIST, &OnReadable, this)) {
  Enable();
}

void FdEvent::Enable() { event_add(event_.get(), nullptr); }

void FdEvent::Disable() { event_del(event_.get()); }

void FdEvent::OnReadable(int, short, void* self) { static_cast<FdEvent*>(self)->on_readable_(); }

}  // namespace tlsbridge
