#include "tools/chaos/world.h"

#include <algorithm>
#include <utility>

namespace tlsbridge::chaos {

void World::Turn(absl::Duration patience) {
  if (!soon_.empty()) patience = absl::ZeroDuration();
  if (!alarms_.empty()) patience = std::min(patience, alarms_.top().at - Now());
  const std::vector<std::weak_ptr<Actor>> soon = std::exchange(soon_, {});
  poller_.Turn(patience);
  for (const auto& waiting : soon) {
    if (const auto actor = waiting.lock()) actor->Step();
  }
  const absl::Time now = Now();
  while (!alarms_.empty() && alarms_.top().at <= now) {
    const auto actor = alarms_.top().actor.lock();
    alarms_.pop();
    if (actor) actor->Step();
  }
  buried_.clear();
}

}  // namespace tlsbridge::chaos
