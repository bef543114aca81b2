#include "router/listeners/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bridge/event/watch_error.h"
#include "bridge/socket_options.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

// The kernel cuts this to net.core.somaxconn.
constexpr int kBacklog = 65535;

// Accepted in one turn at most, so that a burst of clients does not hold up those that are served.
constexpr int kAcceptsPerTurn = 16;
// As many only while clients come this soon behind each other: to find that nobody waits costs as
// much as to take somebody in.
constexpr absl::Duration kSoon = absl::Milliseconds(1);
// And before the listener closes: as many as the kernel's queue holds by default.
constexpr int kLastRounds = 4096 / kAcceptsPerTurn;

// How long to leave the queue alone once descriptors have run out.
constexpr absl::Duration kPause = absl::Milliseconds(250);

absl::Status CannotListen(const SocketAddress& address, int error) {
  absl::string_view hint;
  if (error == EADDRINUSE)
    hint = "; stop the program that listens there, or choose another address";
  if (error == EACCES && address.is_unix()) hint = "; the folder must be writable";
  if (error == EACCES && !address.is_unix()) hint = "; ports below 1024 need CAP_NET_BIND_SERVICE";
  if (error == EADDRNOTAVAIL) hint = "; no interface of this machine has that address";
  return absl::InvalidArgumentError(
      absl::StrCat("cannot listen on ", address.ToString(), ": ", strerror(error), hint));
}

// A path left over from a process that is gone refuses connections.
void RemoveStaleUnixSocket(const SocketAddress& address) {
  const std::string path = address.unix_path();
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  absl::Cleanup close_fd = [fd] { close(fd); };
  if (connect(fd, address.get(), address.length()) != 0 && errno == ECONNREFUSED) {
    unlink(path.c_str());
  }
}

// While it is on, sockets of this user that have it, too, may be bound to addresses that overlap.
void SetReusePort(int fd, bool on) {
  const int value = on ? 1 : 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ListeningSocket>> ListeningSocket::Open(
    const SocketAddress& address, absl::Span<ListeningSocket* const> overlapping) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return CannotListen(address, errno);
  absl::Cleanup close_fd = [fd] { close(fd); };
  const int on = 1;
  if (address.is_unix()) {
    RemoveStaleUnixSocket(address);
  } else {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ApplyTcpOptions(fd, TcpOptions());
  }
  if (address.family() == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  // No longer than that: another process that is started on this address shall fail.
  std::vector<int> sharing;
  for (const ListeningSocket* socket : overlapping) sharing.push_back(socket->fd());
  if (!sharing.empty()) sharing.push_back(fd);
  for (const int socket : sharing) SetReusePort(socket, true);
  const bool listening =
      bind(fd, address.get(), address.length()) == 0 && listen(fd, kBacklog) == 0;
  const int error = errno;
  for (const int socket : sharing) SetReusePort(socket, false);
  if (!listening) return CannotListen(address, error);
  std::move(close_fd).Cancel();
  return std::unique_ptr<ListeningSocket>(
      new ListeningSocket(fd, SocketAddress::LocalOf(fd), true, false));
}

std::unique_ptr<ListeningSocket> ListeningSocket::Adopt(int fd, bool inherits_path) {
  const SocketAddress address = SocketAddress::LocalOf(fd);
  if (!address.is_unix()) ApplyTcpOptions(fd, TcpOptions());
  return std::unique_ptr<ListeningSocket>(new ListeningSocket(fd, address, false, inherits_path));
}

ListeningSocket::ListeningSocket(int fd, const SocketAddress& address, bool owns_path,
                                 bool inherits_path)
    : fd_(fd),
      address_(address),
      file_(FileAtPath()),
      owns_path_(owns_path),
      inherits_path_(inherits_path) {}

ListeningSocket::~ListeningSocket() { Close(); }

ListeningSocket::FileId ListeningSocket::FileAtPath() const {
  struct stat info;
  const std::string path = address_.unix_path();
  if (path.empty() || lstat(path.c_str(), &info) != 0) return {};
  return {.device = info.st_dev, .inode = info.st_ino};
}

void ListeningSocket::Close() {
  if (fd_ < 0) return;
  // In this order: once closed, the path could be that of a process that takes over. One that has
  // done so already keeps its file.
  if (owns_path_ && file_.inode != 0 && FileAtPath() == file_) unlink(address_.unix_path().c_str());
  close(std::exchange(fd_, -1));
}

Acceptor::Acceptor(EventLoop* loop, const ListeningSocket* socket, OnAccept on_accept)
    : socket_(socket),
      on_accept_(std::move(on_accept)),
      loop_(loop),
      last_came_(loop->now()),
      resume_timer_(
          loop, [this] { StartOrRetry(); }, Timer::Of::kService),
      readable_(loop, socket->fd(), [this] { OnReadable(); }) {}

absl::Status Acceptor::Start() {
  const int error = readable_.Enable();
  return error == 0 ? absl::OkStatus() : WatchError(socket_->address().ToString(), error);
}

void Acceptor::StartOrRetry() {
  if (const int error = readable_.Enable(); error != 0) Pause(error);
}

void Acceptor::Stop() {
  readable_.Disable();
  resume_timer_.Cancel();
}

void Acceptor::AcceptAll() {
  for (int round = 0; round < kLastRounds && !paused() && AcceptSome(kAcceptsPerTurn); ++round) {
  }
}

void Acceptor::OnReadable() {
  const absl::Time before = std::exchange(last_came_, loop_->now());
  AcceptSome(last_came_ - before <= kSoon ? kAcceptsPerTurn : 1);
}

// True if there may be more.
bool Acceptor::AcceptSome(int most) {
  int taken = 0;
  for (int tries = 0; tries < kAcceptsPerTurn && taken < most; ++tries) {
    sockaddr_storage storage;
    socklen_t length = sizeof(storage);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    const int fd = accept4(socket_->fd(), address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      if (paused_since_ < absl::InfiniteFuture()) Resumed();
      on_accept_(fd, SocketAddress::From(address, length));
      ++taken;
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return false;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        Pause(errno);
        return false;
      default:
        // That client has left the queue, a firewall forbids it (EPERM), or the network had an
        // error to tell of it (accept(2)): on to the next.
        break;
    }
  }
  return true;
}

// However long it lasts, one line tells of its beginning and one of its end.
void Acceptor::Pause(int error) {
  if (paused_since_ == absl::InfiniteFuture()) {
    paused_since_ = loop_->now();
    LogEvent(LogLevel::kError, "accept_paused")
        .Text("listener", socket_->address().ToString())
        .Text("errno", strerrorname_np(error));
  }
  readable_.Disable();
  resume_timer_.ArmAfter(kPause);
}

void Acceptor::Resumed() {
  LogEvent(LogLevel::kWarning, "accept_resumed")
      .Text("listener", socket_->address().ToString())
      .Milliseconds("paused_ms", loop_->now() - paused_since_);
  paused_since_ = absl::InfiniteFuture();
}

}  // namespace tlsbridge
