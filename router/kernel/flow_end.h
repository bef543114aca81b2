// How a flow ended, from what connection tracking saw of it: a reason for each side.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <stdint.h>

#include <optional>

#include "bridge/termination_reason.h"

namespace tlsbridge::kernel {

// What is known of a flow's course.
struct FlowCourse {
  bool established = false;       // both sides have agreed on a connection
  std::optional<Side> first_fin;  // who ended its stream first
  uint8_t state = 0;              // the last TCP_CONNTRACK_...
  // Why we have removed it, if we have.
  TerminationReason removed_for = TerminationReason::kNone;
  bool vanished = false;  // its end was among the events that were lost
};

struct FlowReasons {
  TerminationReason reason = TerminationReason::kNone;  // of the whole
  TerminationReason incoming = TerminationReason::kNone;
  TerminationReason outgoing = TerminationReason::kNone;

  bool operator==(const FlowReasons&) const = default;
};

FlowReasons ReasonsFor(const FlowCourse& course);

// Whether the peers have ended it, in this state, though the kernel keeps its entry for a while.
bool IsOver(uint8_t state);

// Whether the backend did not take the connection.
bool IsBackendsFault(const FlowReasons& reasons);

}  // namespace tlsbridge::kernel
