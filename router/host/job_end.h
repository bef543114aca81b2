// What the program ends with, where it serves a job that ends: --exit-with.
//
//   4711           that process. If it is a child of this one, which it is after
//                  `app & exec tlsbridge ... --exit-with $!`, its exit code becomes ours.
//   unix:/PATH     whoever listens there: a connection is opened at the start and held, and its end,
//                  which comes with that of its process at the latest, is the end. Nothing is sent,
//                  and what comes is dropped.
//   idle:30s       that no connection has been open for so long, from the start on.
//
// Thread: the control loop's; Parse() and Watch() are main's. Owner: the router. The loop outlives
// it. Failure: a Status: there is no such process, nobody listens.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"

namespace tlsbridge {

class JobEnd {
 public:
  // One of the three.
  struct What {
    pid_t process = 0;
    std::string listener;  // a path
    absl::Duration idle;
  };
  static absl::StatusOr<What> Parse(absl::string_view text);

  // For idle: how many connections are open, and how many there have been.
  struct Use {
    int64_t open;
    int64_t ever;
  };

  // `on_end` runs once, with a line that says what has ended. `ask` is asked while it waits for
  // idleness.
  static absl::StatusOr<std::unique_ptr<JobEnd>> Watch(
      EventLoop* loop, const What& what, absl::AnyInvocable<Use()> ask,
      absl::AnyInvocable<void(const std::string&)> on_end);
  ~JobEnd();
  JobEnd(const JobEnd&) = delete;
  JobEnd& operator=(const JobEnd&) = delete;

  // Of the process, as a shell says it: 128 and more after a signal. 0 until it has ended, and where
  // it is not known.
  int exit_code() const { return exit_code_; }

 private:
  JobEnd(EventLoop* loop, What what, absl::AnyInvocable<Use()> ask,
         absl::AnyInvocable<void(const std::string&)> on_end);

  absl::Status Open();
  void OnReadable();
  void Look();
  void End(const std::string& line);

  EventLoop* const loop_;  // Not owned.
  const What what_;
  absl::AnyInvocable<Use()> ask_;
  absl::AnyInvocable<void(const std::string&)> on_end_;
  int fd_ = -1;  // of the process, or of the connection
  int exit_code_ = 0;
  std::unique_ptr<FdEvent> readable_;
  absl::Time idle_since_;
  int64_t open_ = 0;  // when it last looked
  int64_t ever_ = 0;
  Timer timer_;
};

}  // namespace tlsbridge
