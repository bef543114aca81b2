// What the process serves is a job that ends: --exit-with.
//
//   4711         that process. If it is a child of this one, which it is after
//                `app & exec tlsbridge ... --exit-with $!`, its exit code becomes ours; the kernel
//                tells nobody else.
//   unix:/PATH   whoever listens there, now or later: a connection is opened and held, and its end
//                is the job's. A number in its last line, 0 to 255, becomes our exit code.
//   idle:30s     no connection has been open for so long, from the start on.
//
// Thread: the control loop's; Parse() is any's, Watch() main's. Owner: the router. The loop
// outlives it. Failure: Parse() and Watch() return a Status.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <memory>
#include <string>

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
    std::string listener = {};  // a path
    absl::Duration idle = absl::ZeroDuration();
  };
  static absl::StatusOr<What> Parse(absl::string_view text);

  struct Use {
    int64_t open = 0;  // connections
    int64_t ever = 0;  // that have been open
  };

  // `on_end` runs once, with a sentence that says what has ended; this may be destroyed in it only
  // by a later turn. `use` is asked while it waits for idleness.
  static absl::StatusOr<std::unique_ptr<JobEnd>> Watch(
      EventLoop* loop, const What& what, absl::AnyInvocable<Use()> use,
      absl::AnyInvocable<void(const std::string&)> on_end);
  ~JobEnd();
  JobEnd(const JobEnd&) = delete;
  JobEnd& operator=(const JobEnd&) = delete;

  // The job's, as a shell has it: 128 and more after a signal. 0 until it has ended, and where it
  // is not known.
  int exit_code() const { return exit_code_; }

 private:
  JobEnd(EventLoop* loop, What what, absl::AnyInvocable<Use()> use,
         absl::AnyInvocable<void(const std::string&)> on_end);

  absl::Status OpenProcess();
  absl::Status WatchFd();
  void OnTimer();
  void Connect();
  void CheckIdle();
  void OnReadable();
  void ReadListener();
  void ReapProcess();
  void End(const std::string& sentence);

  EventLoop* const loop_;  // Not owned.
  const What what_;
  absl::AnyInvocable<Use()> use_;
  absl::AnyInvocable<void(const std::string&)> on_end_;
  int fd_ = -1;  // of the process, or of the connection
  int exit_code_ = 0;
  std::string last_line_;  // of the listener
  std::unique_ptr<FdEvent> readable_;
  absl::Time idle_since_;
  Use before_;  // when it last looked
  Timer timer_;
};

}  // namespace tlsbridge
