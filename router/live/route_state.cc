#include "router/live/route_state.h"

#include <algorithm>

namespace tlsbridge {

std::shared_ptr<RouteState> RouteStates::Get(const std::string& route, const Limits& limits) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (states_.size() >= forget_at_) {
    absl::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
    forget_at_ = std::max(forget_at_, 2 * states_.size());
  }
  std::weak_ptr<RouteState>& known = states_[route];
  std::shared_ptr<RouteState> state = known.lock();
  if (state == nullptr) known = state = std::make_shared<RouteState>(limits);
  return state;
}

}  // namespace tlsbridge
