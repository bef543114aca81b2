// The program's log as it arrives: one JSON object a line, each with "event".
//
// Any thread. Waits end at their deadline or once nothing more can come.

#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/deadline.h"

namespace tlsbridge::e2e {

class EventLog {
 public:
  using Predicate = std::function<bool(const nlohmann::json& event)>;

  // Lines that are not such an object are kept apart: a sanitizer writes them.
  void AddLine(absl::string_view line);
  // Nothing more will be added.
  void Close();

  // All events of that name so far, oldest first.
  std::vector<nlohmann::json> Named(absl::string_view name) const;

  // The first event of that name for which the predicate holds, among those that came already and
  // those to come.
  std::optional<nlohmann::json> WaitFor(absl::string_view name, const Predicate& predicate,
                                        absl::Duration timeout = kPatience) const;

  // The first `count` events of that name, or fewer if they do not come.
  std::vector<nlohmann::json> WaitForCount(absl::string_view name, size_t count,
                                           absl::Duration timeout = kPatience) const;

  // The same of those events, whatever their names, for which the predicate holds.
  std::vector<nlohmann::json> WaitForCountIf(const Predicate& predicate, size_t count,
                                             absl::Duration timeout = kPatience) const;

  std::vector<std::string> OtherLines() const;

 private:
  // Waits, with mutex_ held, until the condition holds. Whether it does.
  bool WaitUntil(std::unique_lock<std::mutex>& lock, absl::Duration timeout,
                 const std::function<bool()>& condition) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<nlohmann::json> events_;  // Guarded by mutex_, as are the next.
  std::vector<std::string> other_lines_;
  bool closed_ = false;
};

}  // namespace tlsbridge::e2e
