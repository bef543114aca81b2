#include "tests/support/failing_system.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<int> g_refusals_left{0};  // of watches
std::atomic<int> g_accept_error{0};
std::atomic<int> g_connect_error{0};

}  // namespace

// In place of the C library's, also for libevent, which is linked statically.

extern "C" int epoll_ctl(int epoll, int what, int fd, epoll_event* event) noexcept {
  if (what == EPOLL_CTL_ADD && g_refusals_left.load() > 0) {
    --g_refusals_left;
    errno = ENOSPC;
    return -1;
  }
  return static_cast<int>(syscall(SYS_epoll_ctl, epoll, what, fd, event));
}

extern "C" int accept4(int socket, sockaddr* address, socklen_t* length, int flags) {
  const int fd = static_cast<int>(syscall(SYS_accept4, socket, address, length, flags));
  if (fd < 0 || g_accept_error.load() == 0) return fd;
  close(fd);
  errno = g_accept_error.load();
  return -1;
}

extern "C" int connect(int socket, const sockaddr* address, socklen_t length) {
  if (g_connect_error.load() != 0) {
    errno = g_connect_error.load();
    return -1;
  }
  return static_cast<int>(syscall(SYS_connect, socket, address, length));
}

namespace tlsbridge::testing {

NoWatches::NoWatches(int refusals) : refusals_(refusals) { g_refusals_left.store(refusals); }

NoWatches::~NoWatches() { g_refusals_left.store(0); }

int NoWatches::refused() const { return refusals_ - g_refusals_left.load(); }

NoAccepting::NoAccepting(int error) { g_accept_error.store(error); }

NoAccepting::~NoAccepting() { g_accept_error.store(0); }

NoConnecting::NoConnecting(int error) { g_connect_error.store(error); }

NoConnecting::~NoConnecting() { g_connect_error.store(0); }

}  // namespace tlsbridge::testing
