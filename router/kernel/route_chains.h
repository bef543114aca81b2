// The chains of one route: its limits, then its backends.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <string>
#include <vector>

#include "router/kernel/plan.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

// Those of a family, whether they serve or not.
std::vector<Backend> BackendsOf(const Route& route, Family family);

// Whether a route has something of its own to say before a backend is chosen.
bool NeedsLimitsChain(const Route& route, const Timeouts& common);

// Adds them, and the sets that they use; returns the name of the chain to go to.
std::string AddRouteChains(const Route& route, const Timeouts& common, Ruleset* rules);

// Adds the policy, unless it is there; returns its name.
std::string AddTimeouts(const Timeouts& timeouts, Family family, Ruleset* rules);

}  // namespace tlsbridge::kernel
