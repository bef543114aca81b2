#include "tools/bench/net/poller.h"

#include <sys/epoll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace tlsbridge::bench {

Poller::Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  // The default slack of 50 us would delay every paced send.
  prctl(PR_SET_TIMERSLACK, 1);
}

void Poller::Add(int fd, FdHandler* handler) {
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = handler;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    // An unwatched connection would hang the run; nothing measured after this could be believed.
    std::perror("epoll_ctl");
    std::abort();
  }
}

void Poller::Turn(absl::Duration timeout) {
  std::array<epoll_event, 256> events;
  const timespec wait = absl::ToTimespec(std::max(timeout, absl::ZeroDuration()));
  const int n = epoll_pwait2(epoll_.get(), events.data(), events.size(), &wait, nullptr);
  for (int i = 0; i < n; ++i) {
    static_cast<FdHandler*>(events[i].data.ptr)->OnReady(events[i].events);
  }
}

}  // namespace tlsbridge::bench
