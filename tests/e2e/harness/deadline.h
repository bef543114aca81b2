// A point in time by which a test must have seen what it waits for. It is there so that a hang
// becomes a failure with a message; no test passes or fails by how long something took.
// Any thread; a value.

#pragma once

#include <algorithm>
#include <chrono>

#include "absl/time/time.h"

namespace tlsbridge::e2e {

// Long enough for a sanitized program on a busy machine. Only failing tests wait for so long.
inline constexpr absl::Duration kPatience = absl::Seconds(20);

class Deadline {
 public:
  // No more than a day, so that absl::InfiniteDuration() is fine too: no test runs for so long.
  explicit Deadline(absl::Duration timeout)
      : end_(std::chrono::steady_clock::now() +
             absl::ToChronoNanoseconds(std::min(timeout, absl::Hours(24)))) {}

  std::chrono::steady_clock::time_point end() const { return end_; }

  // What poll() takes. Rounded up, so that zero means that the deadline has passed.
  int PollTimeoutMilliseconds() const {
    const auto left = end_ - std::chrono::steady_clock::now();
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::max<long long>(milliseconds, 0));
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace tlsbridge::e2e
