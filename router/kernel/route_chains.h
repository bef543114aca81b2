// The chains of one route: its limits, then its backends.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "router/kernel/plan.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

// Those of a family, whether they serve or not.
std::vector<Backend> BackendsOf(const Route& route, Family family);

// The one that takes what those before it have left; null if none serves.
const Backend* LastServing(absl::Span<const Backend> backends);

// Whether a client's backend is found by a hash.
bool HasSlots(const Route& route, Family family);

// Whether a route has something of its own to say before a backend is chosen.
bool NeedsLimitsChain(const Route& route, const Timeouts& common);

// Adds them, and the sets that they use; returns the name of the chain to go to.
std::string AddRouteChains(const Route& route, const Timeouts& common, Ruleset* rules);

// Adds the chain in which all but the last that serves of each family have their turns; returns its
// name. What is left comes back from it.
std::string AddTurnsChain(const Route& route, Ruleset* rules);

// Adds the policy, unless it is there; returns its name.
std::string AddTimeouts(const Timeouts& timeouts, Family family, Ruleset* rules);

}  // namespace tlsbridge::kernel
