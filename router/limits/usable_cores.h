// How many cores this process may use: the machine's, or fewer if affinity or the control group's
// CPU quota says so.
//
// Thread: main's, at start. Failure: none; what cannot be read does not limit.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge {

int UsableCores();

// Cores that a quota is worth, rounded up: `text` is what cgroup v2's cpu.max says ("200000
// 100000", or "max 100000" for none). 0 for no limit.
int CoresOfQuota(absl::string_view text);

}  // namespace tlsbridge
