// Tells of files that were renewed or refused, a line for each set that changed, but not thousands.
//
// Thread: the control loop's. Failure: none.
#pragma once

#include <stdint.h>

#include <map>
#include <string>

#include "absl/time/time.h"
#include "router/live/live_config.h"

namespace tlsbridge {

enum class TellProblems {
  kNew,  // each once
  kAll,  // somebody asked
};

// Which routes are down, and which of those in `before`, which may be null, no longer are.
void LogRoutesDown(const LiveConfig* before, const LiveConfig& after, TellProblems which);

struct RenewalCounts {
  uint64_t taken = 0;
  uint64_t refused = 0;
};
// What is different in `after` from the same routes in `before`. Counts the sets of files that are
// served anew, and those that are bad in a way that is news.
RenewalCounts LogRenewals(const LiveConfig& before, const LiveConfig& after, TellProblems which);

// Since when what files hold now is not served, by route and files ("orders tls.crt tls.key").
using RefusedSince = std::map<std::string, absl::Time>;
// Those of `live`; such as were in `before` have been so since then, others since `now`.
RefusedSince FilesRefused(const LiveConfig& live, const RefusedSince& before, absl::Time now);

// What is odd about the files of every route; with `before`, of those only that have changed.
void LogTlsWarnings(const LiveConfig& live, const LiveConfig* before);

}  // namespace tlsbridge
