#include "router/log/failure_folder.h"

#include <algorithm>
#include <utility>

namespace tlsbridge {

bool FailureFolder::ShouldWrite(Kind kind, absl::Time now) {
  const MutexLock lock(mutex_);
  if (kinds_.size() >= kMostKinds && !kinds_.contains(kind)) kind = {std::move(kind.what), "", ""};
  Count& entry = kinds_[std::move(kind)];
  if (entry.seen == 0) entry.window_ends = now + kWindow;
  if (++entry.seen <= kWrittenPerWindow) return true;
  folded_.Add();
  return false;
}

void FailureFolder::Flush(absl::Time now,
                          absl::FunctionRef<void(const Kind& kind, int64_t more)> report) {
  const MutexLock lock(mutex_);
  for (auto it = kinds_.begin(); it != kinds_.end();) {
    const auto current = it++;
    if (current->second.window_ends > now) continue;
    const int64_t more = current->second.seen - kWrittenPerWindow;
    if (more > 0) report(current->first, more);
    kinds_.erase(current);
  }
}

absl::Time FailureFolder::next_flush() const {
  const MutexLock lock(mutex_);
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [kind, entry] : kinds_) next = std::min(next, entry.window_ends);
  return next;
}

}  // namespace tlsbridge
