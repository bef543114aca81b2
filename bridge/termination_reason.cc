#include "bridge/termination_reason.h"

#include <errno.h>

#include <array>

#include "bridge/local_error.h"

namespace tlsbridge {
namespace {

using Reason = TerminationReason;

// By Stage.
struct Manner {
  Endings unserved;
  Endings under_way;
  Endings idle;
};

constexpr Manner Always(Endings endings) { return {endings, endings, endings}; }

constexpr Endings kPolite = {Ending::kGraceful, Ending::kGraceful};
// A stream that was cut must not look complete: no close_notify, no FIN, but RST behind the last
// byte.
constexpr Endings kCut = {Ending::kFlushReset, Ending::kFlushReset};
// What the client sent is answered by an alert, never by an empty but complete stream.
constexpr Endings kUnanswered = {Ending::kAlert, Ending::kReset};

// Both streams have come to their ends.
constexpr Manner kOrderly = Always(kPolite);
// A peer or the network ended a stream that was not over.
constexpr Manner kLost = {kUnanswered, kCut, kCut};
// We end what is not over: politely only where nobody can take it for more than it is.
constexpr Manner kDecided = {kUnanswered, kCut, kPolite};
constexpr Manner kNeverServed = Always(kUnanswered);
constexpr Manner kRefused = Always({Ending::kQuiet, Ending::kReset});
// The client's own stream is no more, and the backend's is not complete: neither gets a goodbye.
constexpr Manner kClientBroke = Always({Ending::kQuiet, Ending::kFlushReset});
constexpr Endings kCutByBackend = {Ending::kFlushReset, Ending::kQuiet};
constexpr Manner kBackendBroke = {kUnanswered, kCutByBackend, kCutByBackend};

struct Row {
  Reason reason;
  absl::string_view name;
  Manner manner;
};

constexpr std::array<Row, kTerminationReasons> kTable = {{
    {Reason::kNone, "none", kOrderly},
    {Reason::kClosedIncoming, "closed_incoming", kOrderly},
    {Reason::kClosedOutgoing, "closed_outgoing", kOrderly},
    {Reason::kNormal, "normal", kOrderly},
    {Reason::kSocketEnd, "socket_end", kOrderly},
    {Reason::kProxyEnd, "proxy_end", kOrderly},
    {Reason::kTruncated, "truncated", kClientBroke},
    {Reason::kEconnreset, "econnreset", Always(kCut)},
    {Reason::kEtimedout, "etimedout", kLost},
    {Reason::kEconnrefused, "econnrefused", kNeverServed},
    {Reason::kEhostunreach, "ehostunreach", kLost},
    {Reason::kEnetunreach, "enetunreach", kLost},
    {Reason::kSocketError, "socket_error", kLost},
    {Reason::kProxyError, "proxy_error", kLost},
    {Reason::kError, "error", kLost},
    {Reason::kTlsHandshakeFailed, "tls_handshake_failed", kRefused},
    {Reason::kTlsError, "tls_error", kClientBroke},
    {Reason::kBackendTruncated, "backend_truncated", kBackendBroke},
    {Reason::kBackendTlsFailed, "backend_tls_failed", kNeverServed},
    {Reason::kBackendTlsError, "backend_tls_error", kBackendBroke},
    {Reason::kProxyHeader, "proxy_header", kRefused},
    {Reason::kHandshakeTimeout, "handshake_timeout", kRefused},
    {Reason::kConnectTimeout, "connect_timeout", kNeverServed},
    {Reason::kInitialTimeout, "initial_timeout", kDecided},
    {Reason::kInactivity, "inactivity", kDecided},
    {Reason::kHalfCloseTimeout, "half_close_timeout", kLost},
    {Reason::kMaxLifetime, "max_lifetime", kDecided},
    {Reason::kShutdown, "shutdown", kDecided},
    {Reason::kAdmin, "admin", kDecided},
    {Reason::kRouteRemoved, "route_removed", kDecided},
    {Reason::kGlobalLimit, "global_limit", kRefused},
    {Reason::kIpLimit, "ip_limit", kNeverServed},
    {Reason::kRouteLimit, "route_limit", kNeverServed},
    {Reason::kRateLimit, "rate_limit", kNeverServed},
    {Reason::kHandshakeLimit, "handshake_limit", kNeverServed},
    {Reason::kIpHandshakeLimit, "ip_handshake_limit", kNeverServed},
    {Reason::kFdLimit, "fd_limit", kNeverServed},
    {Reason::kLocalError, "local_error", kLost},
    {Reason::kDenied, "denied", kRefused},
    {Reason::kNoRoute, "no_route", kNeverServed},
    {Reason::kRouteDown, "route_down", kNeverServed},
    {Reason::kNoBackend, "no_backend", kNeverServed},
    {Reason::kNftablesHandled, "nftables_handled", kRefused},
}};

constexpr bool TableIsInOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].reason) != i) return false;
  }
  return true;
}
static_assert(TableIsInOrder());

// A goodbye while something is under way would tell a peer that it has all. Only where both streams
// have ended by themselves does it.
constexpr bool OnlyOrderlyEndsArePoliteAmidAStream() {
  for (const Row& row : kTable) {
    const Endings& ends = row.manner.under_way;
    const bool goodbye = ends.incoming == Ending::kGraceful || ends.outgoing == Ending::kGraceful;
    if (goodbye && row.reason > Reason::kProxyEnd) return false;
  }
  return true;
}
static_assert(OnlyOrderlyEndsArePoliteAmidAStream());

}  // namespace

absl::string_view TerminationReasonName(TerminationReason reason) {
  return kTable[static_cast<size_t>(reason)].name;
}

Endings EndingsFor(TerminationReason reason, Stage stage) {
  const Manner& manner = kTable[static_cast<size_t>(reason)].manner;
  switch (stage) {
    case Stage::kUnserved:
      return manner.unserved;
    case Stage::kUnderWay:
      return manner.under_way;
    case Stage::kIdle:
      return manner.idle;
  }
  return manner.under_way;
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
    case EMFILE:
    case ENFILE:
      return Reason::kFdLimit;
    default:
      if (IsShortage(error)) return Reason::kLocalError;
      return side == Side::kIncoming ? Reason::kSocketError : Reason::kProxyError;
  }
}

}  // namespace tlsbridge
