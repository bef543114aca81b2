#include "tests/e2e/harness/socket.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/e2e/harness/socket_address.h"

namespace tlsbridge::e2e {

Socket::Socket(UniqueFd fd, int stop_fd) : fd_(std::move(fd)), stop_fd_(stop_fd) {
  fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
}

absl::StatusOr<Socket> Socket::Connect(absl::string_view address, absl::string_view source) {
  absl::StatusOr<SocketAddress> peer = SocketAddress::Parse(address);
  if (!peer.ok()) return peer.status();
  UniqueFd fd(socket(peer->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "socket");
  if (!source.empty()) {
    absl::StatusOr<SocketAddress> local = SocketAddress::Parse(absl::StrCat(source, ":0"));
    if (!local.ok()) return local.status();
    if (bind(fd.get(), local->get(), local->size_bytes()) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("bind to ", source));
    }
  }
  // Blocking: loopback answers at once, with a refusal at worst.
  if (connect(fd.get(), peer->get(), peer->size_bytes()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("connect to ", address));
  }
  return Socket(std::move(fd));
}

absl::StatusOr<std::string> Socket::ReadSome(size_t max_bytes) {
  return Receive(max_bytes, Deadline(timeout_));
}

absl::StatusOr<std::string> Socket::ReadExactly(size_t bytes) {
  const Deadline deadline(timeout_);
  std::string result;
  while (result.size() < bytes) {
    absl::StatusOr<std::string> part = Receive(bytes - result.size(), deadline);
    if (!part.ok()) return part.status();
    if (part->empty()) {
      return absl::OutOfRangeError(absl::StrCat("end after ", result.size(), " of ", bytes));
    }
    result += *part;
  }
  return result;
}

absl::StatusOr<std::string> Socket::ReadUntil(const std::string& mark) {
  const Deadline deadline(timeout_);
  std::string result;
  while (true) {
    absl::StatusOr<std::string> part = Receive(64 * 1024, deadline);
    if (!part.ok()) return part.status();
    if (part->empty()) return absl::OutOfRangeError(absl::StrCat("end after: ", result));
    // The mark may have begun in what came before.
    const size_t from = result.size() - std::min(result.size(), mark.size());
    result += *part;
    const size_t found = result.find(mark, from);
    if (found == std::string::npos) continue;
    read_ahead_ = result.substr(found + mark.size()) + read_ahead_;
    result.resize(found + mark.size());
    return result;
  }
}

absl::StatusOr<std::string> Socket::ReadToEnd() {
  const Deadline deadline(timeout_);
  std::string result;
  while (true) {
    absl::StatusOr<std::string> part = Receive(64 * 1024, deadline);
    if (!part.ok()) return part.status();
    if (part->empty()) return result;
    result += *part;
  }
}

absl::Status Socket::Write(absl::string_view bytes) {
  const Deadline deadline(timeout_);
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      if (absl::Status status = Wait(POLLOUT, deadline); !status.ok()) return status;
    } else if (errno != EINTR) {
      return Fail(errno, "send");
    }
  }
  return absl::OkStatus();
}

void Socket::ShutdownWrite() { shutdown(fd_.get(), SHUT_WR); }

void Socket::Reset() {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  Close();
}

void Socket::Close() { fd_.Reset(); }

absl::Status Socket::Wait(short events, const Deadline& deadline) {
  pollfd fds[] = {{.fd = fd_.get(), .events = events, .revents = 0},
                  {.fd = stop_fd_, .events = POLLIN, .revents = 0}};
  const int ready = poll(fds, 2, deadline.PollTimeoutMilliseconds());
  if (ready < 0 && errno != EINTR) return Fail(errno, "poll");
  if (ready == 0) return Fail(ETIMEDOUT, "poll");
  if (fds[1].revents != 0) return Fail(ECANCELED, "poll");
  return absl::OkStatus();
}

absl::Status Socket::Fail(int error, absl::string_view call) {
  last_errno_ = error;
  // Not absl::ErrnoToStatus(): its table is filled in code that ThreadSanitizer does not see.
  return {absl::ErrnoToStatusCode(error), absl::StrCat(call, ": ", strerrordesc_np(error))};
}

absl::StatusOr<std::string> Socket::Receive(size_t max_bytes, const Deadline& deadline) {
  if (!read_ahead_.empty()) {
    std::string rest = read_ahead_.size() > max_bytes ? read_ahead_.substr(max_bytes) : "";
    read_ahead_.resize(read_ahead_.size() - rest.size());
    return std::exchange(read_ahead_, std::move(rest));
  }
  std::string buffer(max_bytes, '\0');
  while (true) {
    const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (size >= 0) {
      buffer.resize(static_cast<size_t>(size));
      return buffer;
    }
    if (errno == EAGAIN) {
      if (absl::Status status = Wait(POLLIN, deadline); !status.ok()) return status;
    } else if (errno != EINTR) {
      return Fail(errno, "recv");
    }
  }
}

}  // namespace tlsbridge::e2e
