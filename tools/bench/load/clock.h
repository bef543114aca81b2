// The clocks of the benchmark.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <optional>
#include <vector>

#include "absl/time/time.h"

namespace tlsbridge::bench {

// Time since some fixed point; never set back.
inline absl::Duration MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

// User and system time that the processes have used, all their threads, ended ones too, to the
// nanosecond. Empty when one of them is gone.
inline std::optional<absl::Duration> CpuTimeOf(const std::vector<pid_t>& pids) {
  absl::Duration total;
  for (const pid_t pid : pids) {
    clockid_t clock;
    timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
      return std::nullopt;
    }
    total += absl::DurationFromTimespec(used);
  }
  return total;
}

}  // namespace tlsbridge::bench
