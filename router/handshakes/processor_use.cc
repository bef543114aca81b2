#include "router/handshakes/processor_use.h"

#include <pthread.h>

namespace tlsbridge {

void ProcessorUse::Attach() {
  clockid_t clock;
  if (pthread_getcpuclockid(pthread_self(), &clock) == 0) clock_ = clock;
}

absl::Duration ProcessorUse::so_far() const {
  const clockid_t clock = clock_;
  timespec used = {};
  if (clock == kNone || clock_gettime(clock, &used) != 0) return absl::ZeroDuration();
  return absl::DurationFromTimespec(used);
}

}  // namespace tlsbridge
