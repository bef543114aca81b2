#include "tools/chaos/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace tlsbridge::chaos {
namespace {

absl::StatusOr<bench::UniqueFd> NewSocket() {
  bench::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "socket");
  return fd;
}

// Before there is a connection.
void ShrinkReceiveBuffer(int fd, int bytes) {
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

}  // namespace

absl::string_view PeerEndName(PeerEnd end) {
  switch (end) {
    case PeerEnd::kOpen:
      return "open";
    case PeerEnd::kFin:
      return "FIN";
    case PeerEnd::kReset:
      return "RST";
  }
  return "?";
}

Socket::Socket(bench::UniqueFd fd) : fd_(std::move(fd)) {
  const int on = 1;
  if (valid()) setsockopt(this->fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

absl::StatusOr<Socket> Socket::Dial(const bench::Address& address, int buffer_bytes) {
  absl::StatusOr<bench::UniqueFd> fd = NewSocket();
  if (!fd.ok()) return fd.status();
  Socket socket(*std::move(fd));
  if (buffer_bytes > 0) {
    socket.ShrinkSendBuffer(buffer_bytes);
    ShrinkReceiveBuffer(socket.fd(), buffer_bytes);
  }
  if (connect(socket.fd(), address.get(), address.length()) != 0 && errno != EINPROGRESS) {
    return absl::ErrnoToStatus(errno, "connect");
  }
  return socket;
}

absl::StatusOr<Socket> Socket::Listen(int backlog, int receive_buffer_bytes) {
  absl::StatusOr<bench::UniqueFd> fd = NewSocket();
  if (!fd.ok()) return fd.status();
  if (receive_buffer_bytes > 0) ShrinkReceiveBuffer(fd->get(), receive_buffer_bytes);
  const bench::Address address = *bench::Address::Parse("127.0.0.1:0");
  if (bind(fd->get(), address.get(), address.length()) != 0 ||
      (backlog >= 0 && listen(fd->get(), backlog) != 0)) {
    return absl::ErrnoToStatus(errno, "listen");
  }
  return Socket(*std::move(fd));
}

Socket Socket::Accept() const {
  return Socket(bench::UniqueFd(accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

void Socket::ShrinkSendBuffer(int bytes) {
  setsockopt(fd(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int Socket::ConnectResult() const {
  pollfd ready{.fd = fd(), .events = POLLOUT, .revents = 0};
  if (poll(&ready, 1, 0) == 0) return -1;
  int error = 0;
  socklen_t length = sizeof(error);
  if (getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  // SO_ERROR takes the error away: a connection that was made and reset already is told apart by
  // the caller, who reads next.
  return error;
}

bool Socket::Receive(std::string* into, size_t limit) {
  char buffer[16 * 1024];
  for (size_t taken = 0; peer_end_ == PeerEnd::kOpen && taken < limit;) {
    const ssize_t n = recv(fd(), buffer, sizeof(buffer), 0);
    if (n > 0) {
      into->append(buffer, static_cast<size_t>(n));
      taken += static_cast<size_t>(n);
    } else if (n == 0) {
      // A send that failed has taken the socket's error away; what is left then looks like FIN.
      peer_end_ = reset_seen_ ? PeerEnd::kReset : PeerEnd::kFin;
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      peer_end_ = PeerEnd::kReset;
      broken_ = true;
    }
  }
  return peer_end_ == PeerEnd::kOpen;
}

size_t Socket::Send(absl::string_view bytes) {
  if (broken_ || bytes.empty()) return 0;
  const ssize_t n = send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n >= 0) return static_cast<size_t>(n);
  if (errno != EAGAIN && errno != EINTR) {
    broken_ = true;
    // EPIPE is the RST behind a FIN: then the stream itself had ended in order.
    if (errno != EPIPE) reset_seen_ = true;
  }
  return 0;
}

void Socket::Fin() { shutdown(fd(), SHUT_WR); }

void Socket::Reset() {
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  fd_.Reset();
}

}  // namespace tlsbridge::chaos
