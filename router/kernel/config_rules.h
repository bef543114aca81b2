// The rules that a configuration makes; also as text, for people and for `nft -c -f -`. Of backends
// that are all good, and without those whose names are looked up only when the program runs, of
// which there is a comment.
//
// Thread: any; pure. Failure: none; what the kernel cannot do is left out, as MakePlan() does.
#pragma once

#include <string>

#include "router/config/config.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

Ruleset ConfigRules(const Config& config);
std::string ConfigRulesText(const Config& config);

}  // namespace tlsbridge::kernel
