#include "router/live/route_state.h"

#include <algorithm>
#include <vector>

namespace tlsbridge {

void RemovedRoutes::Add(const RouteTotals& totals) {
  const MutexLock lock(mutex_);
  totals_.Add(totals);
}

RouteTotals RemovedRoutes::Take() const {
  const MutexLock lock(mutex_);
  return totals_;
}

std::shared_ptr<RouteState> RouteStates::Get(const std::string& route, const Limits& limits) {
  const MutexLock lock(mutex_);
  if (states_.size() >= forget_at_) {
    absl::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
    forget_at_ = std::max(forget_at_, 2 * states_.size());
  }
  std::weak_ptr<RouteState>& known = states_[route];
  std::shared_ptr<RouteState> state = known.lock();
  if (state == nullptr) known = state = std::make_shared<RouteState>(limits, removed_);
  return state;
}

RouteTotals RouteStates::TotalsOfRemoved(
    absl::FunctionRef<bool(absl::string_view route)> is_served) const {
  RouteTotals sum;
  std::vector<std::shared_ptr<RouteState>> others;  // released without the lock
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, known] : states_) {
      if (is_served(name)) continue;
      if (std::shared_ptr<RouteState> state = known.lock()) others.push_back(std::move(state));
    }
    sum = removed_->Take();
  }
  for (const auto& state : others) sum.Add(state->metrics.Take());
  return sum;
}

}  // namespace tlsbridge
