// What a change of health or weights makes of the rules, without making all of them anew: of ten
// thousand routes mostly one changes.
//
// Thread: any; pure. Failure: nullopt where more has changed; then the whole is to be compared.
#pragma once

#include <optional>

#include "router/kernel/plan.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

// The same part of the rules before and after.
struct RulesetChange {
  Ruleset from;
  Ruleset to;
};

// The rules of the routes that differ, if all that differs is whether backends serve, and weights.
std::optional<RulesetChange> FindChange(const Plan& from, const Plan& to);

// Makes `change` in the whole.
void ApplyChange(const RulesetChange& change, Ruleset* rules);

}  // namespace tlsbridge::kernel
