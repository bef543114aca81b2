#include "router/log/refusal_folder.h"

#include <algorithm>

namespace tlsbridge {

bool RefusalFolder::ShouldWrite(const Refusal& refusal, absl::Time now) {
  const MutexLock lock(mutex_);
  Window& window = windows_[refusal.what];
  if (window.counts.empty()) window.ends = now + kWindow;
  Count* const count = Find(&window, refusal);
  ++count->seen;
  int64_t& written = window.written[refusal.route];
  if (count->seen > 1 && written >= kWrittenPerWindow) {
    folded_.Add();
    return false;
  }
  ++written;
  ++count->written;
  return true;
}

// As exactly as there is room.
RefusalFolder::Count* RefusalFolder::Find(Window* window, const Refusal& refusal) {
  const auto find = [window](Scope scope, const std::string& route, const std::string& where,
                             const std::string& subject, bool room, size_t* used) -> Count* {
    const Key key(route, scope, where, subject);
    const auto it = window->counts.find(key);
    if (it != window->counts.end()) return &it->second;
    if (!room) return nullptr;
    ++*used;
    return &window->counts[key];
  };
  const bool room = window->clients < kMostClients;
  const bool room_for_subject = room && Subjects(*window, refusal) < kMostSubjects;
  Count* count = find(Scope::kClient, refusal.route, refusal.client, refusal.subject,
                      room_for_subject, &window->clients);
  if (count != nullptr) return count;
  count = find(Scope::kOtherSubjects, refusal.route, refusal.client, "", room, &window->clients);
  if (count != nullptr) return count;
  count = find(Scope::kBlock, refusal.route, refusal.block, "", window->blocks < kMostBlocks,
               &window->blocks);
  return count != nullptr ? count : &window->counts[Key("", Scope::kRest, "", "")];
}

// How many certificates of that address are logged separately.
size_t RefusalFolder::Subjects(const Window& window, const Refusal& refusal) {
  size_t subjects = 0;
  auto it = window.counts.lower_bound(Key(refusal.route, Scope::kClient, refusal.client, ""));
  for (; it != window.counts.end() && subjects < kMostSubjects; ++it, ++subjects) {
    const auto& [route, scope, client, subject] = it->first;
    if (route != refusal.route || scope != Scope::kClient || client != refusal.client) break;
  }
  return subjects;
}

void RefusalFolder::Flush(absl::Time now, Report report) {
  const MutexLock lock(mutex_);
  for (auto it = windows_.begin(); it != windows_.end();) {
    const auto current = it++;
    if (current->second.ends > now) continue;
    for (const auto& [key, count] : current->second.counts) {
      const auto& [route, scope, where, subject] = key;
      if (count.seen == count.written) continue;
      report({.what = current->first, .route = route, .client = where, .subject = subject}, scope,
             count.seen - count.written);
    }
    windows_.erase(current);
  }
}

absl::Time RefusalFolder::next_flush() const {
  const MutexLock lock(mutex_);
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [what, window] : windows_) next = std::min(next, window.ends);
  return next;
}

}  // namespace tlsbridge
