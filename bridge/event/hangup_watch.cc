#include "bridge/event/hangup_watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "bridge/event/watch_error.h"

namespace tlsbridge {
namespace {

// What one turn tells at most; the set stays ready, so that the rest follows in the next.
constexpr int kMostPerTurn = 256;

}  // namespace

absl::StatusOr<std::unique_ptr<HangupWatch>> HangupWatch::Create(EventLoop* loop) {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot create an epoll instance");
  std::unique_ptr<HangupWatch> watch(new HangupWatch(loop, fd));
  const int error = watch->event_.Enable();
  if (error != 0) return WatchError("an event loop's watch for hangups", error);
  return watch;
}

HangupWatch::HangupWatch(EventLoop* loop, int epoll_fd)
    : epoll_fd_(epoll_fd),
      event_(loop, epoll_fd, [this] { OnReady(); }),
      settled_(
          loop, [this] { WatchThoseWhoWait(); }, Timer::Of::kService) {}

HangupWatch::~HangupWatch() {
  event_.Disable();
  close(epoll_fd_);
}

void HangupWatch::Add(int fd, Listener* listener) {
  if (waiting_.empty()) settled_.ArmAfter(kSettle);
  listener->place_ = static_cast<int>(waiting_.size());
  waiting_.push_back({fd, listener});
}

void HangupWatch::Remove(Listener* listener) {
  if (listener->place_ < 0) return;
  Waiting& place = waiting_[static_cast<size_t>(std::exchange(listener->place_, -1))];
  if (place.listener != waiting_.back().listener) {
    waiting_.back().listener->place_ = static_cast<int>(&place - waiting_.data());
    place = waiting_.back();
  }
  waiting_.pop_back();
  if (waiting_.empty()) settled_.Cancel();
}

// One at a time: who is told may close, or pause, any descriptor.
void HangupWatch::WatchThoseWhoWait() {
  while (!waiting_.empty()) {
    const Waiting next = waiting_.back();
    waiting_.pop_back();
    next.listener->place_ = -1;
    epoll_event event = {};
    event.events = EPOLLET;  // EPOLLERR and EPOLLHUP are always told
    event.data.ptr = next.listener;
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, next.fd, &event) != 0) {
      next.listener->OnUnwatched(errno);
    }
  }
}

// One at a time: what is told may close any descriptor, which must not be told of then.
void HangupWatch::OnReady() {
  epoll_event event;
  for (int told = 0; told < kMostPerTurn && epoll_wait(epoll_fd_, &event, 1, 0) == 1; ++told) {
    static_cast<Listener*>(event.data.ptr)->OnHangup();
  }
}

}  // namespace tlsbridge
