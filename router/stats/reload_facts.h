// How often the configuration or its files were read again, and what came of it.
//
// Thread: the control loop's. Owner: Reloads. Failure: none.
#pragma once

#include <stdint.h>

#include <string>

#include "absl/time/time.h"
#include "router/live/renewal/renewal_log.h"

namespace tlsbridge {

struct ReloadFacts {
  uint64_t taken = 0;
  uint64_t refused = 0;
  bool last_refused = false;
  std::string refusal;  // why, if so
  // By the wall; the infinite past for never.
  absl::Time last_taken = absl::InfinitePast();
  absl::Time refused_since = absl::InfinitePast();  // the first refusal after that
  RenewalCounts renewals;                           // of sets of files
  absl::Time last_renewal_taken = absl::InfinitePast();
  RefusedSince files_refused;
};

}  // namespace tlsbridge
