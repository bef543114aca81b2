// What Prometheus is told: one page of everything that is counted and measured.
//
// Labels are names from the configuration and entries of closed lists; nothing that a peer could
// choose. Names do not change; new ones may come.
//
// Thread: the control loop's, and no other is stopped for it. Failure: none.
#pragma once

#include <string>

#include "router/metrics/exposition.h"
#include "router/stats/service.h"

namespace tlsbridge {

std::string MetricsText(Exposition::Format format, const Service& service);

}  // namespace tlsbridge
