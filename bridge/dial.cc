#include "bridge/dial.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tlsbridge {

DialResult Dial(const SocketAddress& address, const TcpOptions& options) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return {-1, errno};
  if (!address.is_unix()) ApplyTcpOptions(fd, options);
  // A UNIX socket answers EAGAIN when its backlog is full; that is a refusal, not progress.
  if (connect(fd, address.get(), address.length()) == 0) return {fd, 0, /*connected=*/true};
  if (errno == EINPROGRESS) return {fd, 0, /*connected=*/false};
  const int error = errno;
  close(fd);
  return {-1, error};
}

}  // namespace tlsbridge
