// The signals that the program takes, as events of its control loop.
//
// Thread: TakeOver() and LetStop are main's, before there are others; the rest is the control
// loop's. Owner: the router. The loop outlives it. Failure: Create() returns a Status.
#pragma once

#include <signal.h>

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"

namespace tlsbridge {

class Signals {
 public:
  // SIGINT, SIGTERM, SIGHUP and SIGUSR1 wait from now on; threads made later get none of them. And
  // SIGPIPE is ignored.
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
  Signals(EventLoop* loop, int fd, absl::AnyInvocable<void(int)> on_signal);
  void OnReadable();

  const int fd_;
  absl::AnyInvocable<void(int)> on_signal_;
  FdEvent readable_;
};

}  // namespace tlsbridge
