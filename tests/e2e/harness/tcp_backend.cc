#include "tests/e2e/harness/tcp_backend.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "tests/e2e/harness/socket_address.h"

namespace tlsbridge::e2e {
namespace {

UniqueFd Listen(absl::string_view text) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  if (address.ok()) {
    UniqueFd fd(socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Where one had been before, its old connections are no obstacle.
    const int on = 1;
    if (!absl::EndsWith(text, ":0")) {
      setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (bind(fd.get(), address->get(), address->size_bytes()) == 0 && listen(fd.get(), 1024) == 0) {
      return fd;
    }
  }
  std::fprintf(stderr, "cannot listen on %s: ", std::string(text).c_str());
  std::perror(nullptr);
  std::abort();
}

}  // namespace

TcpBackend::TcpBackend(Handler handler, absl::string_view listen)
    : handler_(std::move(handler)), listener_(Listen(listen)), stop_fd_(eventfd(0, EFD_CLOEXEC)) {
  address_ = SocketAddress::LocalOf(listener_.get()).ToString();
  acceptor_ = std::thread([this] { Accept(); });
}

TcpBackend::~TcpBackend() {
  eventfd_write(stop_fd_.get(), 1);
  acceptor_.join();
}

void TcpBackend::Accept() {
  pollfd fds[] = {{.fd = listener_.get(), .events = POLLIN, .revents = 0},
                  {.fd = stop_fd_.get(), .events = POLLIN, .revents = 0}};
  while (true) {
    poll(fds, 2, -1);
    if (fds[1].revents != 0) break;
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) continue;
    ++connections_accepted_;
    JoinThoseThatAreOver();
    const auto over = std::make_shared<std::atomic<bool>>(false);
    connections_.push_back(
        {std::thread([this, over, connection = Socket(std::move(fd), stop_fd_.get())]() mutable {
           handler_(connection);
           *over = true;
         }),
         over});
  }
  for (Connection& connection : connections_) connection.thread.join();
}

// A thread that is over holds its stack until it is joined, and clients may come by the ten
// thousand.
void TcpBackend::JoinThoseThatAreOver() {
  constexpr size_t kMany = 500;
  if (connections_.size() % kMany != kMany - 1) return;
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (*it->over) {
      it->thread.join();
      it = connections_.erase(it);
    } else {
      ++it;
    }
  }
}

void EchoBytes(Socket& connection) {
  while (true) {
    const auto part = connection.ReadSome();
    if (!part.ok() || part->empty() || !connection.Write(*part).ok()) return;
  }
}

void EchoLines(Socket& connection) {
  while (true) {
    const auto line = connection.ReadUntil("\n");
    if (!line.ok() || !connection.Write(*line).ok()) return;
  }
}

}  // namespace tlsbridge::e2e
