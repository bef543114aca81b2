// What Prometheus is told: one page of everything that is counted and measured.
//
// Labels are names from the configuration and entries of closed lists; nothing that a peer could
// choose. Names do not change; new ones may come.
//
// Thread: the control loop's, and no other is stopped for it. Failure: none.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "router/handshakes/handshake_limit.h"
#include "router/limits/admission.h"
#include "router/live/live_config.h"
#include "router/metrics/exposition.h"
#include "router/stats/reload_facts.h"

namespace tlsbridge {

// What the page is about.
struct Service {
  const LiveConfig* live;
  const Admission* admission;
  const HandshakeLimit* handshake_limit;
  absl::Time started;  // by the wall
  absl::Time wall;
  absl::Time common_now;  // EventLoop::common_now()
  ReloadFacts reloads;
  bool ready = false;
  int64_t descriptors = 0;   // that there may be
  int64_t memory_bytes = 0;  // likewise
  struct Loop {
    int64_t connections = 0;
    DurationHistogram::Counts lag;  // EventLoop::lag()
  };
  std::vector<Loop> workers;
  DurationHistogram::Counts control_lag;  // of the loop that reloads, checks and answers
  uint64_t folded = 0;                    // FailureFolder::folded()
};

std::string MetricsText(Exposition::Format format, const Service& service);

}  // namespace tlsbridge
