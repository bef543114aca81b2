// The signals that the program takes, as events of its control loop.
//
// The system keeps one of a kind that waits, and drops the next (signal(7), "Queueing"). So a
// thread of their own takes each at once, whatever the loop is busy with: of two SIGTERMs that come
// in one turn of the loop both count.
//
// Thread: TakeOver() and LetStop are main's, before there are others; the rest is the control
// loop's. Owner: the router. The loop outlives it. Failure: Create() returns a Status.
#pragma once

#include <signal.h>

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/thread.h"

namespace tlsbridge {

class Signals {
 public:
  // SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 wait from now on; threads made later get none of
  // them. And SIGPIPE is ignored.
  static void TakeOver();

  // While it lives, SIGINT and SIGTERM end the process at once, as if nobody had taken them over:
  // for a start that hangs in a file.
  class LetStop {
   public:
    LetStop();
    ~LetStop();
    LetStop(const LetStop&) = delete;
    LetStop& operator=(const LetStop&) = delete;

   private:
    sigset_t before_;
  };

  // `on_signal` gets each, those that have waited first.
  static absl::StatusOr<std::unique_ptr<Signals>> Create(EventLoop* loop,
                                                         absl::AnyInvocable<void(int)> on_signal);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  Signals(EventLoop* loop, absl::AnyInvocable<void(int)> on_signal);
  void Run();

  EventLoop* const loop_;  // Not owned.
  // The loop's tasks', too: one may run when this is gone.
  const std::shared_ptr<absl::AnyInvocable<void(int)>> on_signal_;
  int signals_fd_ = -1;
  int end_fd_ = -1;  // readable when the thread is to end
  Thread thread_;
};

}  // namespace tlsbridge
