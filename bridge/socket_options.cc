#include "bridge/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>

namespace tlsbridge {
namespace {

constexpr absl::Duration kHalfClosedIdle = absl::Seconds(20);
constexpr absl::Duration kHalfClosedInterval = absl::Seconds(10);

void SetInt(int fd, int level, int option, int64_t value) {
  const int v = static_cast<int>(value);
  setsockopt(fd, level, option, &v, sizeof(v));
}

// What the kernel takes for its keepalive times (MAX_TCP_KEEPIDLE).
int64_t WholeSeconds(absl::Duration duration) {
  return std::clamp<int64_t>(absl::ToInt64Seconds(duration), 1, 32767);
}

void SetKeepalive(int fd, absl::Duration idle, absl::Duration interval, int probes) {
  SetInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, WholeSeconds(idle));
  SetInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, WholeSeconds(interval));
  SetInt(fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
}

}  // namespace

void ApplyTcpOptions(int fd, const TcpOptions& options) {
  SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keepalive_idle > absl::ZeroDuration()) {
    SetKeepalive(fd, options.keepalive_idle, options.keepalive_interval, options.keepalive_probes);
  }
  if (options.user_timeout > absl::ZeroDuration()) {
    constexpr int64_t kMost = std::numeric_limits<int>::max();
    SetInt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
           std::clamp<int64_t>(absl::ToInt64Milliseconds(options.user_timeout), 1, kMost));
  }
}

void TightenForHalfClose(int fd, const TcpOptions& options) {
  if (options.keepalive_idle <= absl::ZeroDuration()) return;
  SetKeepalive(fd, std::min(options.keepalive_idle, kHalfClosedIdle),
               std::min(options.keepalive_interval, kHalfClosedInterval), options.keepalive_probes);
}

}  // namespace tlsbridge
