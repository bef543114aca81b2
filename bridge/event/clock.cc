#include "bridge/event/clock.h"

#include <time.h>

#include "absl/time/clock.h"

namespace tlsbridge {

absl::Time SystemClock::Monotonic() const {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::TimeFromTimespec(now);
}

absl::Time SystemClock::Wall() const { return absl::Now(); }

}  // namespace tlsbridge
