#include "tests/support/peer.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "gtest/gtest.h"

namespace tlsbridge::testing {
namespace {

int NonBlockingSocket(const SocketAddress& address) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  EXPECT_GE(fd, 0);
  return fd;
}

bool IsReset(int error) { return error == ECONNRESET || error == EPIPE; }

}  // namespace

Peer::Peer(int fd) : fd_(fd) {
  const int on = 1;  // so that every byte leaves before a reset does; a UNIX socket does not mind
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

std::unique_ptr<Peer> Peer::Connect(const SocketAddress& address) {
  auto peer = std::make_unique<Peer>(NonBlockingSocket(address));
  const int rc = connect(peer->fd_, address.get(), address.length());
  EXPECT_TRUE(rc == 0 || errno == EINPROGRESS) << errno;
  return peer;
}

Peer::~Peer() { Close(); }

void Peer::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

void Peer::Reset() {
  const linger at_once = {1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Close();
}

void Peer::ShrinkBuffers(int bytes) {
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void Peer::Send(const std::string& bytes) {
  unsent_ += bytes;
  Flush();
}

void Peer::Flush() {
  // Behind its own FIN nothing leaves; the kernel's EPIPE would look like a reset.
  if (fin_sent_) unsent_.clear(), sent_ = 0;
  while (fd_ >= 0 && unsent() > 0) {
    const ssize_t n = send(fd_, unsent_.data() + sent_, unsent(), MSG_NOSIGNAL);
    if (n < 0) {
      if (IsReset(errno)) end_ = StreamEnd::kReset;
      return;
    }
    sent_ += static_cast<size_t>(n);
  }
  if (unsent() == 0) {
    unsent_.clear();
    sent_ = 0;
  }
  if (fd_ >= 0 && fin_wanted_ && !std::exchange(fin_sent_, true)) shutdown(fd_, SHUT_WR);
}

void Peer::Receive() {
  char buffer[65536];
  while (fd_ >= 0 && !stalled_ && end_ == StreamEnd::kOpen) {
    const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
    if (n > 0) {
      received_.append(buffer, static_cast<size_t>(n));
      continue;
    }
    if (n == 0) end_ = StreamEnd::kFin;
    if (n < 0 && IsReset(errno)) end_ = StreamEnd::kReset;
    return;
  }
}

int Peer::Unacknowledged() const {
  int bytes = 0;
  ioctl(fd_, SIOCOUTQ, &bytes);
  return bytes;
}

void Peer::Step() {
  // Else the kernel acknowledges what came last when 40 ms of its own time have passed, which is
  // minutes of a test's. It forgets that by itself. Nothing happens on a UNIX socket.
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
  Flush();
  Receive();
}

ListeningPeer::ListeningPeer() : ListeningPeer(*SocketAddress::Parse("127.0.0.1:0")) {}

ListeningPeer::ListeningPeer(const SocketAddress& address, int backlog)
    : fd_(NonBlockingSocket(address)) {
  EXPECT_EQ(bind(fd_, address.get(), address.length()), 0) << errno;
  EXPECT_EQ(listen(fd_, backlog), 0) << errno;
  address_ = SocketAddress::LocalOf(fd_);
}

ListeningPeer::~ListeningPeer() { Close(); }

void ListeningPeer::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

std::unique_ptr<Peer> ListeningPeer::Accept() {
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd < 0 ? nullptr : std::make_unique<Peer>(fd);
}

// A backlog of 0 still holds one.
BlackHole::BlackHole()
    : listener_(*SocketAddress::Parse("127.0.0.1:0"), /*backlog=*/0),
      filler_(Peer::Connect(listener_.address())) {}

}  // namespace tlsbridge::testing
