#include "router/stats/route_reasons.h"

namespace tlsbridge {

using Reason = TerminationReason;

bool CanEndUnrouted(Reason reason) {
  switch (reason) {
    case Reason::kTruncated:
    case Reason::kEconnreset:
    case Reason::kEtimedout:
    case Reason::kSocketError:
    case Reason::kError:
    case Reason::kTlsHandshakeFailed:
    case Reason::kProxyHeader:
    case Reason::kHandshakeTimeout:
    case Reason::kShutdown:
    case Reason::kGlobalLimit:
    case Reason::kIpLimit:
    case Reason::kRateLimit:
    case Reason::kIpHandshakeLimit:
    case Reason::kFdLimit:
    case Reason::kLocalError:
    case Reason::kNoRoute:
      return true;
    default:
      return false;
  }
}

bool CanEndFor(const Route& route, Reason reason) {
  if (route.action == RouteAction::kBlock) return reason == Reason::kDenied;
  const bool terminates = route.tls_mode != TlsMode::kPassthrough;
  const bool reencrypts = route.tls_mode == TlsMode::kTerminateAndReencrypt;
  const bool by_kernel = route.forwarding_engine == ForwardingEngine::kNftables;
  switch (reason) {
    // Of no whole connection, or of none that has a route.
    case Reason::kNone:
    case Reason::kNormal:
    case Reason::kSocketEnd:
    case Reason::kProxyEnd:
    case Reason::kProxyHeader:
    case Reason::kGlobalLimit:
    case Reason::kFdLimit:
    case Reason::kNoRoute:
    case Reason::kAdmin:
      return false;
    case Reason::kTruncated:
    case Reason::kTlsHandshakeFailed:
    case Reason::kTlsError:
    case Reason::kHandshakeTimeout:
    case Reason::kHandshakeLimit:
    case Reason::kRouteDown:
      return terminates;
    case Reason::kBackendTruncated:
    case Reason::kBackendTlsFailed:
    case Reason::kBackendTlsError:
      return reencrypts;
    case Reason::kInitialTimeout:
      return route.timeouts.initial_data < absl::InfiniteDuration();
    case Reason::kMaxLifetime:
      return route.timeouts.max_lifetime < absl::InfiniteDuration();
    case Reason::kIpLimit:
      return route.limits.connections_per_ip > 0;
    case Reason::kRateLimit:
      return route.limits.new_per_ip_per_minute > 0;
    case Reason::kIpHandshakeLimit:
      return route.limits.handshakes_per_ip > 0;
    case Reason::kRouteLimit:
      return route.limits.connections > 0;
    case Reason::kDenied:
      return !route.allow_ip.empty() || !route.deny_ip.empty();
    case Reason::kNftablesHandled:
      return by_kernel && route.kernel.missed == KernelMissed::kRefuse;
    default:
      return true;
  }
}

}  // namespace tlsbridge
