// Lines of one event of which there may be thousands, one for each route or file: so many, and then
// how many more there would have been. More at once would push each other out of the log's queue.
//
// Thread: one. Owner: the caller's stack. Failure: none.
#pragma once

#include <stdint.h>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "router/log/log.h"

namespace tlsbridge {

class FewLines {
 public:
  static constexpr int64_t kMost = 100;

  // `event` outlives it.
  FewLines(LogLevel level, absl::string_view event) : level_(level), event_(event) {}
  FewLines(const FewLines&) = delete;
  FewLines& operator=(const FewLines&) = delete;
  ~FewLines() {
    if (count_ > kMost) LogEvent(level_, event_).Number("more", count_ - kMost);
  }

  // `fill` is called unless there have been enough.
  void Tell(absl::FunctionRef<void(LogEvent&)> fill) {
    if (++count_ > kMost) return;
    LogEvent event(level_, event_);
    fill(event);
  }

 private:
  const LogLevel level_;
  const absl::string_view event_;
  int64_t count_ = 0;
};

}  // namespace tlsbridge
