// A table as text that `nft -f` loads and `nft -c` checks: for people, and for whoever wants to
// know what the program would do before it does.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <string>

#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

std::string RulesetText(const Ruleset& rules);

}  // namespace tlsbridge::kernel
