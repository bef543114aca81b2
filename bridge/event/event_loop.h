// One thread's loop: libevent for sockets, a wheel for time, a graveyard for what must not die
// inside its own callback.
//
// Time in which the loop should have run and did not, because the process was stopped, its machine
// was frozen or moved, or others had the processor, is a stall. It does not count as time to wait
// for anybody: now() leaves it out, so that every deadline moves by it, and whatever came meanwhile
// is taken in before a timer fires. While a connection has a timer the loop looks at the clock once
// a second, so that it knows a stall from its own sleep.
//
// Thread: all of it belongs to the thread that runs it, except Post() and Stop(), which any thread
// may call. Owner: a worker or a test; it outlives everything that is registered with it. Failure:
// Create() returns a Status when the system gives no descriptor, no memory or no epoll.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bridge/duration_histogram.h"
#include "bridge/event/clock.h"
#include "bridge/event/libevent_ptr.h"
#include "bridge/event/timer_wheel.h"
#include "tls/mutex.h"

namespace tlsbridge {

class HangupWatch;

// What can be handed to the graveyard.
class DeferredDeletable {
 public:
  virtual ~DeferredDeletable() = default;
};

class EventLoop {
 public:
  // `clock` must outlive the loop.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create(const Clock* clock);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Turns until Stop().
  void Run();
  void Stop();  // any thread

  // One turn: events, then timers, then the chore with what it makes due, then the graveyard. With
  // `wait`, sleeps until something is ready; without, takes only what is ready now. For tests and
  // for Run().
  void Turn(bool wait);

  // `chore` runs at the end of each turn, behind all that was ready. True: it has more to do, so
  // that the next turn does not sleep. One at a time; none if empty.
  void set_chore(absl::AnyInvocable<bool()> chore) { chore_ = std::move(chore); }

  // Told of each stall, on the loop's thread, once it is over.
  void set_on_stall(absl::AnyInvocable<void(absl::Duration)> on_stall) {
    on_stall_ = std::move(on_stall);
  }

  // Runs `task` on the loop's thread in a later turn. Any thread.
  void Post(absl::AnyInvocable<void()> task);

  // Destroys `object` at the end of this turn, after every callback has unwound.
  void DeleteLater(std::unique_ptr<DeferredDeletable> object) {
    graveyard_.push_back(std::move(object));
  }

  // The loop's own time: the clock's Monotonic(), read at most once between two waits, less all
  // stalls. For deadlines, and for what they are measured from.
  absl::Time now() {
    if (std::exchange(now_is_stale_, false)) LookAtClock();
    return now_;
  }
  // The clock's Monotonic() at the same moment, stalls and all. For what several loops look at,
  // since each has stalls of its own.
  absl::Time common_now() { return now() + stalled_; }
  const Clock& clock() const { return *clock_; }

  // How much later than it meant to the loop looked at the clock, each time: what it was busy with,
  // or the time that others had the processor. To be read by any thread.
  const DurationHistogram& lag() const { return lag_; }

  TimerWheel& connection_timers() { return connection_timers_; }
  TimerWheel& service_timers() { return service_timers_; }
  HangupWatch& hangups() { return *hangups_; }
  event_base* base() { return base_.get(); }

 private:
  EventLoop(const Clock* clock, EventBasePtr base, int wake_fd);

  absl::Status Begin();
  void LookAtClock();
  absl::Time NextLook() const;
  void CatchUp();
  static void OnAlarm(int fd, short what, void* self);
  static void OnWakeUp(int fd, short what, void* self);
  void Wake();
  void RunPosted();
  void Sweep();
  void SetAlarm();

  const Clock* const clock_;  // Not owned.
  EventBasePtr base_;
  const int wake_fd_;
  absl::Time now_;
  bool now_is_stale_ = false;
  absl::Duration stalled_;  // ever
  absl::Time awake_by_;     // by now(): when it meant to look at the clock again, at the latest
  bool overslept_ = false;  // it did so later than that
  DurationHistogram lag_;
  absl::AnyInvocable<void(absl::Duration)> on_stall_;
  TimerWheel connection_timers_;
  TimerWheel service_timers_;
  std::vector<std::unique_ptr<DeferredDeletable>> graveyard_;
  std::vector<std::unique_ptr<DeferredDeletable>> dying_;  // empty between two turns
  absl::AnyInvocable<bool()> chore_;
  bool chore_is_left_ = false;

  Mutex mutex_;
  std::vector<absl::AnyInvocable<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> stopped_{false};

  absl::Time alarm_at_ = absl::InfiniteFuture();
  EventPtr alarm_;  // libevent's only timer: the wheel's next step
  EventPtr wake_;
  std::unique_ptr<HangupWatch> hangups_;
};

}  // namespace tlsbridge
