#include "router/log/stall_log.h"

#include "router/log/log.h"

namespace tlsbridge {
namespace {

// Loops notice when they next wake up, which is this much later at most.
constexpr absl::Duration kSameStall = absl::Seconds(2);

}  // namespace

void StallLog::Tell(absl::Duration stall, absl::Time now) {
  const MutexLock lock(mutex_);
  if (now - last_ < kSameStall) return;
  last_ = now;
  LogEvent(LogLevel::kWarning, "stalled")
      .Number("ms", absl::ToInt64Milliseconds(stall))
      .Text("message",
            "the process was not running; deadlines were extended by that time, and no connection "
            "is closed because of it");
}

}  // namespace tlsbridge
