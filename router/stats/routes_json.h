// What `GET /routes` answers: how connections ended, and what they carried so far, by route.
//
// Names are the configuration's, never a peer's, so that clients cannot make it grow; what routes
// have counted that are gone is one entry.
//
// Thread: the control loop's, while workers count. Failure: none.
#pragma once

#include <stdint.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "bridge/termination_reason.h"
#include "router/live/live_config.h"

namespace tlsbridge {

// {"routes":[{"name":...,"connections":N,"ended":{"normal":N,...},...}],"unrouted":{...},
// "removed":{...}}: every route of `live`, with the connections that it has now and how its
// backends are.
std::string RoutesJson(const LiveConfig& live, absl::Time common_now);

// {"closed_incoming":3,...}: what is not zero.
std::string ReasonsJson(absl::FunctionRef<uint64_t(TerminationReason)> count);

}  // namespace tlsbridge
