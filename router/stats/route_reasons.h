// Which reasons connections of a route can end for: a rate of what has not happened yet is zero,
// not missing, so those are shown from the start, and no others.
//
// Thread: any; pure. Failure: none.
#pragma once

#include "bridge/termination_reason.h"
#include "router/config/config.h"

namespace tlsbridge {

bool CanEndFor(const Route& route, TerminationReason reason);
// Before a connection has a route.
bool CanEndUnrouted(TerminationReason reason);

}  // namespace tlsbridge
