// How often the configuration or its files were read again, and what came of it.
//
// Thread: the control loop's. Owner: Reloads. Failure: none.
#pragma once

#include <stdint.h>

#include "absl/time/time.h"

namespace tlsbridge {

struct ReloadFacts {
  uint64_t taken = 0;
  uint64_t refused = 0;
  uint64_t renewed = 0;  // files, without a new configuration
  bool last_refused = false;
  absl::Time last_taken;  // by the wall
};

}  // namespace tlsbridge
