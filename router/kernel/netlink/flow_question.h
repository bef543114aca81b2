// Questions to connection tracking, and the request to forget a flow.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <stdint.h>

#include "router/kernel/netlink/flow_message.h"
#include "router/kernel/netlink/writer.h"

namespace tlsbridge::netlink {

// All flows, of both families.
void AskForFlows(Writer* out);

// One, with its counters; NotFound (ENOENT) if it is gone.
void AskForFlow(const FlowTuple& original, Writer* out);

// Forgets the flow, if it has this number: another one that has the same addresses stays.
void ForgetFlow(const FlowTuple& original, uint32_t id, Writer* out);

}  // namespace tlsbridge::netlink
