#include "bridge/termination_reason.h"

#include <errno.h>

#include <array>

namespace tlsbridge {
namespace {

using Reason = TerminationReason;

struct Row {
  Reason reason;
  absl::string_view name;
  Endings endings;
};

constexpr Endings kPolite = {Ending::kGraceful, Ending::kGraceful};
// A stream that was cut must not look complete: no close_notify, no FIN, but RST behind the last
// byte.
constexpr Endings kCut = {Ending::kFlushReset, Ending::kFlushReset};
// No backend was reached. What the client sent is answered by an alert, never by an empty but
// complete stream.
constexpr Endings kUnserved = {Ending::kAlert, Ending::kReset};
constexpr Endings kRefused = {Ending::kQuiet, Ending::kReset};

constexpr std::array<Row, kTerminationReasons> kTable = {{
    {Reason::kNone, "none", kPolite},
    {Reason::kClosedIncoming, "closed_incoming", kPolite},
    {Reason::kClosedOutgoing, "closed_outgoing", kPolite},
    {Reason::kNormal, "normal", kPolite},
    {Reason::kSocketEnd, "socket_end", kPolite},
    {Reason::kProxyEnd, "proxy_end", kPolite},
    // Nor is the backend's stream complete, so the client gets FIN without close_notify too.
    {Reason::kTruncated, "truncated", {Ending::kQuiet, Ending::kFlushReset}},
    {Reason::kEconnreset, "econnreset", kCut},
    {Reason::kEtimedout, "etimedout", kCut},
    {Reason::kEconnrefused, "econnrefused", kUnserved},
    {Reason::kEhostunreach, "ehostunreach", kCut},
    {Reason::kEnetunreach, "enetunreach", kCut},
    {Reason::kSocketError, "socket_error", kCut},
    {Reason::kProxyError, "proxy_error", kCut},
    {Reason::kError, "error", kCut},
    {Reason::kTlsHandshakeFailed, "tls_handshake_failed", kRefused},
    {Reason::kTlsError, "tls_error", {Ending::kQuiet, Ending::kFlushReset}},
    {Reason::kBackendTruncated, "backend_truncated", {Ending::kFlushReset, Ending::kQuiet}},
    {Reason::kBackendTlsFailed, "backend_tls_failed", kUnserved},
    {Reason::kBackendTlsError, "backend_tls_error", {Ending::kFlushReset, Ending::kQuiet}},
    {Reason::kProxyHeader, "proxy_header", kRefused},
    {Reason::kHandshakeTimeout, "handshake_timeout", kRefused},
    {Reason::kConnectTimeout, "connect_timeout", kUnserved},
    {Reason::kInitialTimeout, "initial_timeout", kPolite},
    {Reason::kInactivity, "inactivity", kPolite},
    {Reason::kHalfCloseTimeout, "half_close_timeout", kPolite},
    {Reason::kMaxLifetime, "max_lifetime", kPolite},
    {Reason::kShutdown, "shutdown", kPolite},
    {Reason::kAdmin, "admin", kPolite},
    {Reason::kRouteRemoved, "route_removed", kPolite},
    {Reason::kGlobalLimit, "global_limit", kRefused},
    {Reason::kIpLimit, "ip_limit", kUnserved},
    {Reason::kRouteLimit, "route_limit", kUnserved},
    {Reason::kRateLimit, "rate_limit", kUnserved},
    {Reason::kHandshakeLimit, "handshake_limit", kUnserved},
    {Reason::kFdLimit, "fd_limit", kUnserved},
    {Reason::kDenied, "denied", kRefused},
    {Reason::kNoRoute, "no_route", kUnserved},
    {Reason::kNoBackend, "no_backend", kUnserved},
    {Reason::kNftablesHandled, "nftables_handled", kRefused},
}};

constexpr bool TableIsInOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].reason) != i) return false;
  }
  return true;
}
static_assert(TableIsInOrder());

}  // namespace

absl::string_view TerminationReasonName(TerminationReason reason) {
  return kTable[static_cast<size_t>(reason)].name;
}

Endings EndingsFor(TerminationReason reason, bool connected) {
  const Endings endings = kTable[static_cast<size_t>(reason)].endings;
  const bool network_failed =
      endings.incoming == Ending::kFlushReset && reason != Reason::kEconnreset;
  return !connected && network_failed ? kUnserved : endings;
}

bool IsOrderly(TerminationReason reason) {
  switch (reason) {
    case Reason::kClosedIncoming:
    case Reason::kClosedOutgoing:
    case Reason::kNormal:
    case Reason::kSocketEnd:
    case Reason::kProxyEnd:
    case Reason::kShutdown:
    case Reason::kRouteRemoved:
    case Reason::kNftablesHandled:
      return true;
    default:
      return false;
  }
}

TerminationReason ReasonForErrno(Side side, int error) {
  switch (error) {
    case ECONNRESET:
    case EPIPE:  // the same RST, seen by a write after the peer's FIN
      return Reason::kEconnreset;
    case ETIMEDOUT:
      return Reason::kEtimedout;
    case ECONNREFUSED:
      return Reason::kEconnrefused;
    case EHOSTUNREACH:
      return Reason::kEhostunreach;
    case ENETUNREACH:
      return Reason::kEnetunreach;
    default:
      return side == Side::kIncoming ? Reason::kSocketError : Reason::kProxyError;
  }
}

}  // namespace tlsbridge
