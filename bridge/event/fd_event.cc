#include "bridge/event/fd_event.h"

#include <errno.h>
#include <event2/event.h>

#include <utility>

namespace tlsbridge {
namespace {

short EventsFor(FdEvent::For what) {
  switch (what) {
    case FdEvent::For::kReading:
      return EV_READ;
    case FdEvent::For::kWriting:
      return EV_WRITE;
    case FdEvent::For::kBoth:
      return EV_READ | EV_WRITE;
  }
  return 0;
}

}  // namespace

FdEvent::FdEvent(EventLoop* loop, int fd, absl::AnyInvocable<void()> on_ready, For what)
    : on_ready_(std::move(on_ready)),
      event_(event_new(loop->base(), fd, static_cast<short>(EventsFor(what) | EV_PERSIST), &OnReady,
                       this)) {}

int FdEvent::Enable() {
  if (event_ == nullptr) return ENOMEM;
  errno = 0;
  if (event_add(event_.get(), nullptr) == 0) return 0;
  return errno != 0 ? errno : ENOMEM;
}

void FdEvent::Disable() {
  if (event_ != nullptr) event_del(event_.get());
}

void FdEvent::OnReady(int, short, void* self) { static_cast<FdEvent*>(self)->on_ready_(); }

}  // namespace tlsbridge
