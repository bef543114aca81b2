// Tells of files that were renewed or refused, a line for each set that changed, but not thousands.
//
// Thread: the control loop's. Failure: none.
#pragma once

#include "router/live/live_config.h"

namespace tlsbridge {

enum class TellProblems {
  kNew,  // each once
  kAll,  // somebody asked
};

// Which routes are down, and which of those in `before`, which may be null, no longer are.
void LogRoutesDown(const LiveConfig* before, const LiveConfig& after, TellProblems which);

// What is different in `after` from the same routes in `before`.
void LogRenewals(const LiveConfig& before, const LiveConfig& after, TellProblems which);

// What is odd about the files of every route; with `before`, of those only that have changed.
void LogTlsWarnings(const LiveConfig& live, const LiveConfig* before);

}  // namespace tlsbridge
