#include "tests/e2e/harness/event_log.h"

#include <utility>

namespace tlsbridge::e2e {
namespace {

bool IsNamed(const nlohmann::json& event, absl::string_view name) {
  return event["event"].get_ref<const std::string&>() == name;
}

}  // namespace

void EventLog::AddLine(absl::string_view line) {
  auto event = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  const bool is_event = event.is_object() && event.contains("event") && event["event"].is_string();
  const std::lock_guard lock(mutex_);
  if (is_event) {
    events_.push_back(std::move(event));
  } else {
    other_lines_.emplace_back(line);
  }
  changed_.notify_all();
}

void EventLog::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

std::vector<nlohmann::json> EventLog::Named(absl::string_view name) const {
  const std::lock_guard lock(mutex_);
  std::vector<nlohmann::json> result;
  for (const nlohmann::json& event : events_) {
    if (IsNamed(event, name)) result.push_back(event);
  }
  return result;
}

std::optional<nlohmann::json> EventLog::WaitFor(absl::string_view name, const Predicate& predicate,
                                                absl::Duration timeout) const {
  std::unique_lock lock(mutex_);
  size_t seen = 0;
  const bool found = WaitUntil(lock, timeout, [&] {
    for (; seen < events_.size(); ++seen) {
      if (IsNamed(events_[seen], name) && predicate(events_[seen])) return true;
    }
    return false;
  });
  if (!found) return std::nullopt;
  return events_[seen];
}

std::vector<nlohmann::json> EventLog::WaitForCount(absl::string_view name, size_t count,
                                                   absl::Duration timeout) const {
  return WaitForCountIf([name](const auto& event) { return IsNamed(event, name); }, count, timeout);
}

std::vector<nlohmann::json> EventLog::WaitForCountIf(const Predicate& predicate, size_t count,
                                                     absl::Duration timeout) const {
  std::unique_lock lock(mutex_);
  std::vector<nlohmann::json> result;
  size_t seen = 0;
  WaitUntil(lock, timeout, [&] {
    for (; seen < events_.size() && result.size() < count; ++seen) {
      if (predicate(events_[seen])) result.push_back(events_[seen]);
    }
    return result.size() == count;
  });
  return result;
}

std::vector<std::string> EventLog::OtherLines() const {
  const std::lock_guard lock(mutex_);
  return other_lines_;
}

bool EventLog::WaitUntil(std::unique_lock<std::mutex>& lock, absl::Duration timeout,
                         const std::function<bool()>& condition) const {
  const Deadline deadline(timeout);
  // In a loop of our own, so that a closed log ends the wait whatever the condition says.
  while (!condition()) {
    if (closed_) return false;
    if (changed_.wait_until(lock, deadline.end()) == std::cv_status::timeout) return condition();
  }
  return true;
}

}  // namespace tlsbridge::e2e
