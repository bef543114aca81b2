#include "bridge/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

namespace tlsbridge {
namespace {

constexpr absl::Duration kHalfClosedIdle = absl::Seconds(20);
constexpr absl::Duration kHalfClosedInterval = absl::Seconds(10);

void SetInt(int fd, int level, int option, int64_t value) {
  const int v = static_cast<int>(value);
  setsockopt(fd, level, option, &v, sizeof(v));
}

void SetKeepalive(int fd, absl::Duration idle, absl::Duration interval, int probes) {
  SetInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, std::max<int64_t>(1, absl::ToInt64Seconds(idle)));
  SetInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::max<int64_t>(1, absl::ToInt64Seconds(interval)));
  SetInt(fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
}

}  // namespace

void ApplyTcpOptions(int fd, const TcpOptions& options) {
  SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keepalive_idle > absl::ZeroDuration()) {
    SetKeepalive(fd, options.keepalive_idle, options.keepalive_interval, options.keepalive_probes);
  }
  if (options.user_timeout > absl::ZeroDuration()) {
    SetInt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, absl::ToInt64Milliseconds(options.user_timeout));
  }
}

void TightenForHalfClose(int fd, const TcpOptions& options) {
  if (options.keepalive_idle <= absl::ZeroDuration()) return;
  SetKeepalive(fd, std::min(options.keepalive_idle, kHalfClosedIdle),
               std::min(options.keepalive_interval, kHalfClosedInterval), options.keepalive_probes);
}

}  // namespace tlsbridge
