#include "router/kernel/flow_end.h"

#include <linux/netfilter/nf_conntrack_tcp.h>

namespace tlsbridge::kernel {
namespace {

using Reason = TerminationReason;

FlowReasons Both(Reason reason) { return {reason, reason, reason}; }

FlowReasons Closed(std::optional<Side> first) {
  if (first == Side::kOutgoing) {
    return {Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kNormal};
  }
  return {Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd};
}

}  // namespace

FlowReasons ReasonsFor(const FlowCourse& course) {
  if (course.removed_for != Reason::kNone) return Both(course.removed_for);
  switch (course.state) {
    case TCP_CONNTRACK_TIME_WAIT:
    case TCP_CONNTRACK_LAST_ACK:  // both streams have ended; the last packet alone is missing
      return Closed(course.first_fin);
    case TCP_CONNTRACK_CLOSE:
      // Whose reset it was is not to be seen; before a connection it is the backend that refuses.
      if (!course.established) return Both(Reason::kEconnrefused);
      return Both(Reason::kEconnreset);
    default:
      break;
  }
  if (course.vanished) return Both(Reason::kProxyError);
  switch (course.state) {
    case TCP_CONNTRACK_ESTABLISHED:
      return Both(Reason::kInactivity);
    case TCP_CONNTRACK_FIN_WAIT:
    case TCP_CONNTRACK_CLOSE_WAIT:
      return Both(Reason::kHalfCloseTimeout);
    case TCP_CONNTRACK_SYN_RECV:  // the backend has answered, the client no more
      return Both(Reason::kEtimedout);
    case TCP_CONNTRACK_SYN_SENT:
    case TCP_CONNTRACK_SYN_SENT2:
      return Both(Reason::kConnectTimeout);
    default:
      return Both(course.established ? Reason::kInactivity : Reason::kConnectTimeout);
  }
}

bool IsOver(uint8_t state) {
  return state == TCP_CONNTRACK_TIME_WAIT || state == TCP_CONNTRACK_CLOSE;
}

bool IsBackendsFault(const FlowReasons& reasons) {
  return reasons.outgoing == Reason::kEconnrefused || reasons.outgoing == Reason::kConnectTimeout;
}

}  // namespace tlsbridge::kernel
