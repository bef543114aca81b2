// Which deadline a connection meets next. A pure function of its record and its bridge, so that a
// byte costs nothing: one timer a connection sleeps until the earliest deadline known, then asks
// again.
//
// Thread: any. Failure: none.
#pragma once

#include "absl/time/time.h"
#include "bridge/bridge.h"
#include "bridge/termination_reason.h"
#include "router/connections/connection_record.h"

namespace tlsbridge {

struct Deadline {
  absl::Time at = absl::InfiniteFuture();
  // kNone: no end yet. In state connecting, the next backend is to be tried; in state half-closed,
  // keepalive is to be tightened; in state bridging, a warning is due.
  TerminationReason reason = TerminationReason::kNone;
};

// What the bridge contributes.
struct Progress {
  BridgeState state = BridgeState::kPeeking;
  absl::Time last_activity;
  bool any_bytes = false;
};

Deadline NextDeadline(const ConnectionRecord& record, const Progress& progress);

// What ends it, and when, if nothing happens on it any more: for people. One that is past its age
// and in use has `drain_timeout` to fall idle.
Deadline NextEnd(const ConnectionRecord& record, const Progress& progress,
                 absl::Duration drain_timeout);

// The inactivity timeout after its keep-alive treatment; infinite for none.
absl::Duration EffectiveInactivity(const Timeouts& timeouts, const KeepAlive& keep_alive);

// `lifetime` varied by 5 % each way; `random` is from 0 to 1. Infinite if `lifetime` is zero.
absl::Duration WithJitter(absl::Duration lifetime, double random);

}  // namespace tlsbridge
