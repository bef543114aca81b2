// The running service as pages for operators show it: what /metrics and /status are written from.
//
// Thread: the control loop's, and no other is stopped for it. Owner: whoever writes the page; what
// it points to outlives that. Failure: none.
#pragma once

#include <stdint.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bridge/duration_histogram.h"
#include "router/handshakes/handshake_limit.h"
#include "router/limits/admission.h"
#include "router/live/live_config.h"
#include "router/log/recent_failures.h"
#include "router/stats/reload_facts.h"

namespace tlsbridge {

struct Service {
  struct Loop {
    int64_t connections = 0;
    DurationHistogram::Counts lag;  // EventLoop::lag()
  };

  const LiveConfig* live;
  const Admission* admission;
  const HandshakeLimit* handshake_limit;
  const RecentFailures* failures = nullptr;  // null where nobody asks
  absl::Time started;                        // by the wall
  absl::Time wall;
  absl::Time common_now;  // EventLoop::common_now()
  ReloadFacts reloads;
  bool ready = false;
  std::string unready;                                 // why not; empty if it is
  uint64_t generation = 1;                             // processes that have served, with this one
  std::vector<std::pair<uint64_t, int64_t>> draining;  // generation and pid of those before it
  absl::string_view phase;                             // "serving", ...
  absl::Time phase_since = absl::InfinitePast();       // by the wall
  int64_t descriptors = 0;                             // that there may be
  int64_t memory_bytes = 0;                            // likewise
  std::vector<Loop> workers;
  DurationHistogram::Counts control_lag;            // of the loop that reloads, checks and answers
  uint64_t folded = 0;                              // FailureFolder::folded()
  absl::Time lines_lost_at = absl::InfinitePast();  // by the wall: when last seen to be more
  absl::string_view log_level;

  // A time by common_now, by the wall; the infinite past stays.
  absl::Time WallOf(absl::Time common) const { return wall - (common_now - common); }
};

}  // namespace tlsbridge
