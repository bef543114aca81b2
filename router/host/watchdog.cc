#include "router/host/watchdog.h"

#include <algorithm>
#include <utility>

namespace tlsbridge {

Watchdog::Watchdog(EventLoop* control, std::vector<EventLoop*> others, absl::Duration period,
                   absl::AnyInvocable<void()> feed)
    : control_(control),
      others_(std::move(others)),
      looks_every_(std::max(period / 4, absl::Milliseconds(10))),
      feed_(std::move(feed)),
      unanswered_(std::make_shared<std::atomic<size_t>>(0)),
      timer_(
          control_, [this] { Check(); }, Timer::Of::kService) {
  Check();
}

void Watchdog::Check() {
  timer_.ArmAfter(looks_every_);
  if (unanswered_->load() > 0) return;
  feed_();
  unanswered_->store(others_.size());
  for (EventLoop* const loop : others_) {
    loop->Post([unanswered = unanswered_] { unanswered->fetch_sub(1); });
  }
}

}  // namespace tlsbridge
