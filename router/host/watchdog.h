// Feeds the service manager's watchdog, as long as every loop turns: a worker that is stuck starves
// it, so that the whole process is started anew.
//
// Four times in each period it asks every other loop for a sign, by a task that it posts there; it
// feeds once all have answered the last question. So a loop that has nothing to do is woken four
// times a period, and one that is stuck is asked once only.
//
// Threads whose work others do without are not asked: one that signs (its worker signs itself), one
// that reads files or writes the log (either may hang in a dead disk, and is then left behind).
//
// Thread: the control loop's. Owner: the router. All loops outlive it. Failure: none.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"

namespace tlsbridge {

class Watchdog {
 public:
  // `period` is how long the manager waits.
  Watchdog(EventLoop* control, std::vector<EventLoop*> others, absl::Duration period,
           absl::AnyInvocable<void()> feed);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void Check();

  EventLoop* const control_;              // Not owned.
  const std::vector<EventLoop*> others_;  // Not owned.
  const absl::Duration looks_every_;
  absl::AnyInvocable<void()> feed_;
  // How many have yet to answer. The questions', too: one may be answered when this is gone.
  const std::shared_ptr<std::atomic<size_t>> unanswered_;
  Timer timer_;
};

}  // namespace tlsbridge
