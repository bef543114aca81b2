#include "bridge/dial.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tlsbridge {
namespace {

// The kernel that would be probed is our own, and has told already what it knows.
TcpOptions WithoutKeepalive(TcpOptions options) {
  options.keepalive_idle = absl::ZeroDuration();
  return options;
}

}  // namespace

DialResult Dial(const SocketAddress& address, const TcpOptions& options) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return {-1, errno};
  const bool local = address.is_loopback();
  if (!address.is_unix()) ApplyTcpOptions(fd, local ? WithoutKeepalive(options) : options);
  // A UNIX socket answers EAGAIN when its backlog is full; that is a refusal, not progress.
  int result = connect(fd, address.get(), address.length());
  // On loopback both ends of the handshake have run when this returns, which does not say so: the
  // second call does, and saves waiting for it, two calls for that and one for the error.
  if (result != 0 && errno == EINPROGRESS && local) {
    result = connect(fd, address.get(), address.length());
  }
  if (result == 0) return {fd, 0, /*connected=*/true};
  if (errno == EINPROGRESS || errno == EALREADY) return {fd, 0, /*connected=*/false};
  const int error = errno;
  close(fd);
  return {-1, error};
}

}  // namespace tlsbridge
