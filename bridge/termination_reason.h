// Why a connection ended: one closed list with one table of names. The names are the log field, the
// metric label and what tests assert.
//
// Thread: any. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "absl/strings/string_view.h"
#include "bridge/ending.h"

namespace tlsbridge {

enum class TerminationReason : uint8_t {
  kNone,  // has not ended

  // Orderly ends. A connection as a whole is closed_incoming or closed_outgoing, after the side
  // that ended first; the rest are reasons of one side.
  kClosedIncoming,
  kClosedOutgoing,
  kNormal,     // this side said goodbye first, and properly
  kSocketEnd,  // ended because the client's socket had ended
  kProxyEnd,   // ended because the backend's socket had ended

  // What a peer or the network did.
  kTruncated,  // the client's FIN without close_notify: its stream may be cut short
  kEconnreset,
  kEtimedout,  // the kernel gave up: TCP_USER_TIMEOUT, keepalive or its own connect timeout
  kEconnrefused,
  kEhostunreach,
  kEnetunreach,
  kSocketError,  // any other errno on the client's socket
  kProxyError,   // any other errno on the backend's socket
  kError,        // a failure of our own
  kTlsHandshakeFailed,
  kTlsError,          // the client's session broke after its handshake
  kBackendTruncated,  // the same as kTruncated, of a backend that speaks TLS
  kBackendTlsFailed,  // a backend that speaks TLS failed the handshake, or is not who it should be
  kBackendTlsError,   // its session broke later
  kProxyHeader,       // a PROXY protocol header was due, and what came was none

  // Deadlines.
  kHandshakeTimeout,
  kConnectTimeout,
  kInitialTimeout,
  kInactivity,
  kHalfCloseTimeout,
  kMaxLifetime,

  // Decisions.
  kShutdown,
  kAdmin,
  kRouteRemoved,  // a reload took the route away, and the time to drain has passed
  kGlobalLimit,
  kIpLimit,
  kRouteLimit,
  kRateLimit,
  kHandshakeLimit,    // too many handshakes wait for us
  kIpHandshakeLimit,  // too many unfinished ones of one address
  kFdLimit,
  kLocalError,  // this machine is out of ports, memory or the like; errno says of what
  kDenied,
  kNoRoute,
  kRouteDown,  // the route is known, but its certificates could not be used since the start
  kNoBackend,
  kNftablesHandled,
};

inline constexpr size_t kTerminationReasons =
    static_cast<size_t>(TerminationReason::kNftablesHandled) + 1;

absl::string_view TerminationReasonName(TerminationReason reason);

// How far a connection had come when its end was decided.
enum class Stage : uint8_t {
  kUnserved,  // no backend has been reached
  kUnderWay,  // somebody waits for an answer, or for the rest of a stream that has begun
  kIdle,      // nothing is queued, and nobody waits for anything
};

// How both sockets end when a connection ends for `reason`. A stream that was not over when the end
// was decided looks cut; Bridge::Cleanup() spares one that was.
Endings EndingsFor(TerminationReason reason, Stage stage);

// True for the ends that nobody needs to look into.
bool IsOrderly(TerminationReason reason);

// The reason for an errno on the socket of `side`.
TerminationReason ReasonForErrno(Side side, int error);

}  // namespace tlsbridge
