// One deadline with a callback.
//
// Thread: the loop's. Owner: whoever is called back; its destructor cancels, so that nothing fires
// into freed memory. The loop must outlive it. Failure: none.
#pragma once

#include <stdint.h>

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer_wheel.h"

namespace tlsbridge {

class Timer final : public TimerWheel::Entry {
 public:
  // Those of connections are counted apart, so that one that outlives its connection shows.
  enum class Of : uint8_t { kConnection, kService };

  Timer(EventLoop* loop, absl::AnyInvocable<void()> on_expiry, Of of = Of::kConnection)
      : loop_(loop),
        wheel_(of == Of::kConnection ? &loop->connection_timers() : &loop->service_timers()),
        on_expiry_(std::move(on_expiry)) {}

  void ArmAfter(absl::Duration delay) { ArmAt(loop_->now() + delay); }
  // What is due now is due at the end of this turn, however far off the wheel's next step is.
  void ArmAt(absl::Time deadline) {
    wheel_->Arm(this, deadline <= loop_->now() ? absl::InfinitePast() : deadline);
  }

 private:
  void Expire() override { on_expiry_(); }

  EventLoop* const loop_;    // Not owned.
  TimerWheel* const wheel_;  // Not owned.
  absl::AnyInvocable<void()> on_expiry_;
};

}  // namespace tlsbridge
