#include "tools/bench/net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"

namespace tlsbridge::bench {
namespace {

void SetNoDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

IoStatus VerdictOfErrno() {
  switch (errno) {
    case EAGAIN:
    case EINTR:
      return IoStatus::kBlocked;
    case ECONNRESET:
    case EPIPE:
      return IoStatus::kReset;
    default:
      return IoStatus::kFailed;
  }
}

}  // namespace

absl::StatusOr<Socket> Socket::Dial(const Address& address, Small writes) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "socket");
  if (writes == Small::kAtOnce) SetNoDelay(fd.get());
  if (connect(fd.get(), address.get(), address.length()) != 0 && errno != EINPROGRESS) {
    return absl::ErrnoToStatus(errno, absl::StrCat("connect ", address.ToString()));
  }
  return Socket(std::move(fd));
}

absl::StatusOr<Socket> Socket::Listen(const Address& address) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd.get(), address.get(), address.length()) != 0 || listen(fd.get(), 65535) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("listen ", address.ToString()));
  }
  return Socket(std::move(fd));
}

Socket Socket::Accept() const {
  UniqueFd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.valid()) SetNoDelay(fd.get());
  return Socket(std::move(fd));
}

int Socket::ConnectError() const {
  int error = 0;
  socklen_t length = sizeof(error);
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

void Socket::MarkReady(uint32_t epoll_events) {
  drained_ = false;
  if (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) peer_gone_ = true;
}

IoResult Socket::Receive(absl::Span<char> into) {
  if (drained_) return {IoStatus::kBlocked};
  const ssize_t n = recv(fd_.get(), into.data(), into.size(), 0);
  if (n > 0) {
    // A FIN gives no further edge once it has been announced, so it has to be read for.
    drained_ = static_cast<size_t>(n) < into.size() && !peer_gone_;
    return {IoStatus::kOk, static_cast<size_t>(n)};
  }
  if (n == 0) return {IoStatus::kEnd};
  return {VerdictOfErrno()};
}

IoResult Socket::Send(absl::string_view bytes) {
  const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n >= 0) return {IoStatus::kOk, static_cast<size_t>(n)};
  return {VerdictOfErrno()};
}

void Socket::ShutdownWrite() { shutdown(fd_.get(), SHUT_WR); }

}  // namespace tlsbridge::bench
