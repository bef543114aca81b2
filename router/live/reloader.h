// Makes the configuration anew, or renews what its files hold, on a thread of its own: reading ten
// thousand certificates takes seconds, in which the control loop has to go on.
//
// Thread: the control loop's, but the source runs on the reloader's. Owner: the router. The loop
// outlives it. Failure: given to the receiver.
#pragma once

#include <stdint.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "router/live/live_config.h"
#include "router/live/renewal/watch_plan.h"

namespace tlsbridge {

class Reloader {
 public:
  using Result = absl::StatusOr<std::shared_ptr<const LiveConfig>>;
  // From flags, a file or memory. Takes over from the one before, if there is one.
  using Source = absl::AnyInvocable<Result(const LiveConfig* previous, const Clock* clock)>;
  enum class Cause : uint8_t { kFilesMayHaveChanged, kAsked };

  struct Outcome {
    // The same as before, if nothing has changed.
    Result live;
    // Where `live` is made by the source: what is served now, its files read again; to go on with,
    // if `live` cannot be served.
    std::shared_ptr<const LiveConfig> renewed;
    bool asked = false;
    bool reloaded = false;  // made by the source
    WatchPlan watch;        // where the next change of a file shows
  };
  // Returns what is served from now on. A `live` that it does not return is tried again when files
  // may have changed.
  using Receiver = absl::AnyInvocable<std::shared_ptr<const LiveConfig>(const Outcome&)>;

  // `source_files` are what the source itself reads: a change there is a reload. `source_stamp` is
  // their StampOf() from before the source ran first. `receiver` runs on `loop`.
  Reloader(EventLoop* loop, Source source, std::vector<std::string> source_files,
           uint64_t source_stamp, Receiver receiver);
  // Waits for the source, if it is at work.
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // Once more afterwards, if it is at work already: it may have read what has changed since.
  void Start(std::shared_ptr<const LiveConfig> current, Cause cause);

  // Where changes of the source's files, and of all that `live` is made of, show.
  WatchPlan PlanFor(const LiveConfig& live) const;

 private:
  struct Job {
    std::shared_ptr<const LiveConfig> current;
    Cause cause;
  };

  void Run();
  Outcome Work(const Job& job);
  Result AskSource(const LiveConfig* current);
  void Finish(const Outcome& outcome);

  EventLoop* const loop_;  // Not owned.
  Receiver receiver_;
  bool at_work_ = false;
  std::optional<Cause> again_;

  // The thread's, while it is at work.
  Source source_;
  const std::vector<std::string> source_files_;
  uint64_t source_stamp_;
  bool refused_ = false;  // what the source made last

  std::mutex mutex_;  // guards the next two
  std::condition_variable changed_;
  std::optional<Job> job_;
  bool ending_ = false;
  std::thread thread_;  // last, so that the rest is there when it begins
};

// What a reload changes, for the log: "+orders", "-billing", "~search(limits)" for routes and
// listeners, sorted; empty if nothing has changed.
std::string DescribeChanges(const Config& before, const Config& after);

}  // namespace tlsbridge
