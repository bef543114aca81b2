// What a change of health or weights makes of the rules, without looking at routes that it does not
// concern: of ten thousand mostly one changes.
//
// Thread: any; pure. Failure: nullopt where more has changed; then the whole is to be compared.
#pragma once

#include <stddef.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "router/kernel/plan.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

// Where routes are in a plan, and what of it is the same while only backends change.
class PlanIndex {
 public:
  explicit PlanIndex(const Plan& plan);

  std::optional<size_t> Find(const std::string& route) const;
  // The listeners on which the route at this position has a claim.
  absl::Span<const size_t> ListenersOf(size_t route) const { return listeners_[route]; }
  const Timeouts& common_timeouts() const { return common_timeouts_; }

 private:
  absl::flat_hash_map<std::string, size_t> positions_;
  std::vector<std::vector<size_t>> listeners_;
  Timeouts common_timeouts_;
};

// The same part of the rules before and after.
struct RulesetChange {
  Ruleset from;
  Ruleset to;
};

// The rules that concern these routes, which are `now` what `plan` does not say yet, if all that
// differs is whether backends serve, and weights. REQUIRES: `index` is of `plan`.
std::optional<RulesetChange> FindChange(const Plan& plan, const PlanIndex& index,
                                        absl::Span<const Route> now);

// Makes `change` in the whole.
void ApplyChange(const RulesetChange& change, Ruleset* rules);

}  // namespace tlsbridge::kernel
