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

// Zero is the kernel's own.
void SetUserTimeout(int fd, absl::Duration timeout) {
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  const int64_t milliseconds = absl::ToInt64Milliseconds(timeout);
  SetInt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
         timeout <= absl::ZeroDuration() ? 0 : std::clamp<int64_t>(milliseconds, 1, kMost));
}

bool KeepsAlive(const TcpOptions& options) { return options.keepalive_idle > absl::ZeroDuration(); }

bool SameKeepalive(const TcpOptions& a, const TcpOptions& b) {
  if (!KeepsAlive(a) && !KeepsAlive(b)) return true;
  return a.keepalive_idle == b.keepalive_idle && a.keepalive_interval == b.keepalive_interval &&
         a.keepalive_probes == b.keepalive_probes;
}

}  // namespace

void ApplyTcpOptions(int fd, const TcpOptions& options) {
  SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (KeepsAlive(options)) {
    SetKeepalive(fd, options.keepalive_idle, options.keepalive_interval, options.keepalive_probes);
  }
  if (options.user_timeout > absl::ZeroDuration()) SetUserTimeout(fd, options.user_timeout);
}

void ChangeTcpOptions(int fd, const TcpOptions& before, const TcpOptions& options) {
  if (!SameKeepalive(before, options)) {
    if (KeepsAlive(options)) {
      SetKeepalive(fd, options.keepalive_idle, options.keepalive_interval,
                   options.keepalive_probes);
    } else {
      SetInt(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    }
  }
  if (before.user_timeout != options.user_timeout) SetUserTimeout(fd, options.user_timeout);
}

void TightenForHalfClose(int fd, const TcpOptions& options) {
  if (options.keepalive_idle <= absl::ZeroDuration()) return;
  SetKeepalive(fd, std::min(options.keepalive_idle, kHalfClosedIdle),
               std::min(options.keepalive_interval, kHalfClosedInterval), options.keepalive_probes);
}

}  // namespace tlsbridge
