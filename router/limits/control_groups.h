// What the control groups that this process is in allow it: CPU and memory. Those of version 1 and
// 2, and every group on the way to the root, since the smallest limit counts: systemd's CPUQuota=
// and MemoryMax= are a service's own or its slice's.
//
// Thread: main's, at start. Failure: none; what cannot be read does not limit.
#pragma once

#include <stdint.h>

#include <limits>
#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge {

struct ControlGroupLimits {
  int cores = 0;  // rounded up; 0 for no limit
  int64_t memory_bytes = std::numeric_limits<int64_t>::max();
};

// `root` is where the file tree begins, with /proc and what is mounted: a test's folder, or "".
ControlGroupLimits ReadControlGroupLimits(const std::string& root = "");

// Cores that a quota is worth, rounded up: `text` is what version 2's cpu.max says ("200000
// 100000", or "max 100000" for none). 0 for no limit.
int CoresOfQuota(absl::string_view text);

}  // namespace tlsbridge
