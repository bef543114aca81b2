// Makes the rules of a plan.
//
// A fixed frame of three base chains looks (address, port) of a client's first packet up in maps.
// What a map says depends on the route's form, which only a configuration changes:
// - one backend, no limits, all clients: a map has the backend.
// - several that take turns, no limits, all clients: a chain of the route has the turns of all but
//   the last, which is in that map and takes what comes back from the chain. Rules are what makes a
//   change dear: for each that comes, the kernel walks the chains of the whole table.
// - anything else: the map has the route's chain. Its limits stand in one chain, its backends in
//   another, so that health changes the second and leaves what the first has counted.
// - some clients only: a map with intervals of clients that do not overlap (client_intervals.h).
// What is in no map, and what is over a limit, is not translated: it reaches the program's
// listener, which forwards it or says why not. So does all that a route gets while none of its
// backends serves.
//
// Names: sets and maps end in 4 or 6; "any-" is for listeners on every address of this machine,
// whose keys have no address. Chains and sets of one route are named after it.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "router/kernel/plan.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

Ruleset BuildRuleset(const Plan& plan);

// The same for a part of a plan: routes with these timeouts need no chain of their own for them.
Ruleset BuildRuleset(const Plan& plan, const Timeouts& common);
Timeouts MostCommonTimeouts(absl::Span<const Route> routes);

// A route's name as part of a name in a table: other characters than letters, digits and ._- are
// replaced, and a number that tells such names apart is added.
std::string NameInTable(absl::string_view route);

}  // namespace tlsbridge::kernel
