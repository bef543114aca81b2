#include "router/log/recent_failures.h"

#include <algorithm>
#include <utility>

namespace tlsbridge {

bool RecentFailures::Count(TerminationReason reason, bool written, absl::Time wall) {
  const MutexLock lock(mutex_);
  Spell& spell = spells_[static_cast<size_t>(reason)];
  if (wall - spell.last > kSpellEnds) spell = {.since = wall};
  ++spell.count;
  spell.last = wall;
  if (written) return true;
  if (wall - second_began_ >= absl::Seconds(1) || wall < second_began_) {
    second_began_ = wall;
    folded_in_second_ = 0;
  }
  return ++folded_in_second_ <= kFoldedASecond;
}

void RecentFailures::Add(FailedConnection failure) {
  const MutexLock lock(mutex_);
  failure.number = ++last_number_;
  ++kept_[static_cast<size_t>(failure.reason)];
  failures_.push_back(std::move(failure));
  if (failures_.size() <= kMost) return;
  const auto most = static_cast<TerminationReason>(
      std::distance(kept_.begin(), std::max_element(kept_.begin(), kept_.end())));
  --kept_[static_cast<size_t>(most)];
  failures_.erase(
      std::find_if(failures_.begin(), failures_.end(),
                   [most](const FailedConnection& kept) { return kept.reason == most; }));
}

std::vector<FailedConnection> RecentFailures::Take(const Query& query) const {
  const MutexLock lock(mutex_);
  std::vector<FailedConnection> taken;
  for (auto it = failures_.rbegin(); it != failures_.rend(); ++it) {
    if (it->number <= query.after || taken.size() == query.limit) break;
    if (query.reason && it->reason != *query.reason) continue;
    if (query.route && it->route != *query.route) continue;
    taken.push_back(*it);
  }
  std::reverse(taken.begin(), taken.end());
  return taken;
}

uint64_t RecentFailures::last_number() const {
  const MutexLock lock(mutex_);
  return last_number_;
}

RecentFailures::Spell RecentFailures::SpellOf(TerminationReason reason) const {
  const MutexLock lock(mutex_);
  return spells_[static_cast<size_t>(reason)];
}

}  // namespace tlsbridge
