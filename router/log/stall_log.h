// Tells of stalls: the process was stopped, its machine frozen or moved, or others had the
// processor. All loops notice the same stall; one line tells of it.
//
// Thread: any. Owner: the router; it outlives the loops that report. Failure: none.
#pragma once

#include "absl/time/time.h"
#include "tls/mutex.h"

namespace tlsbridge {

class StallLog {
 public:
  // A loop has stalled for so long, until `now`.
  void Tell(absl::Duration stall, absl::Time now);

 private:
  Mutex mutex_;
  absl::Time last_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace tlsbridge
