#include "tls/tickets/session_cache.h"

#include <algorithm>
#include <utility>

namespace tlsbridge::tls {

void SessionCache::Put(absl::string_view backend, Resumable resumable) {
  const MutexLock lock(mutex_);
  size_t of_backend = 0;
  auto oldest = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->backend != backend) continue;
    ++of_backend;
    oldest = entry;
  }
  if (of_backend >= kMaxPerBackend) {
    entries_.erase(oldest);
  } else if (entries_.size() >= kMaxSessions) {
    entries_.pop_back();
  }
  entries_.push_front({std::string(backend), std::move(resumable)});
}

SessionCache::Resumable SessionCache::Take(absl::string_view backend) {
  const MutexLock lock(mutex_);
  const auto newest = std::find_if(entries_.begin(), entries_.end(), [backend](const Entry& entry) {
    return entry.backend == backend;
  });
  if (newest == entries_.end()) return {};
  Resumable resumable = std::move(newest->resumable);
  entries_.erase(newest);
  return resumable;
}

size_t SessionCache::size() const {
  const MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace tlsbridge::tls
