// The series of routes and of their backends.
//
// Thread: the control loop's, while workers count. Failure: none.
#pragma once

#include "absl/time/time.h"
#include "router/live/live_config.h"
#include "router/metrics/exposition.h"

namespace tlsbridge {

// What has no route is that of a route "(none)".
void WriteRoutes(const LiveConfig& live, absl::Time common_now, Exposition* out);

}  // namespace tlsbridge
