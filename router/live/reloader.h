// Makes the configuration anew, or renews what its files hold, on a thread of its own: reading ten
// thousand certificates takes seconds, in which the control loop has to go on.
//
// A source may hang for ever, in a file of a dead mount or a pipe without a writer. So its thread
// works on nothing but the Workshop, which it owns together with the Reloader: what has been given
// to it (the configuration that is served, by shared_ptr), what it makes, and the source, which
// must own what it uses. The Reloader's end waits kPatience for it, then leaves it behind
// (bridge/event/thread.h), and with it the Workshop. One that comes back finds `ending` set and
// ends without touching loop or receiver, both of which may be gone: it posts under the mutex under
// which `ending` is set. Only the clock is the process's, and must live as long.
//
// Thread: the control loop's, but the source runs on the reloader's. Owner: the router. The loop
// outlives it. Failure: Create() needs a thread; of the source given to the receiver.
#pragma once

#include <stdint.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/thread.h"
#include "router/live/live_config.h"
#include "router/live/renewal/reading_note.h"
#include "router/live/renewal/watch_plan.h"
#include "tls/mutex.h"

namespace tlsbridge {

class Reloader {
 public:
  using Result = absl::StatusOr<std::shared_ptr<const LiveConfig>>;
  // How long its end waits for a source that is at work.
  static constexpr absl::Duration kPatience = absl::Seconds(1);
  // From when on one that is at work is told of to those who ask for a reload.
  static constexpr absl::Duration kLong = absl::Seconds(5);

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

  // `source_files` are what the source itself reads: a change there is a reload.
  // `source_fingerprint` is their FingerprintOf() from before the source ran first. `receiver` runs
  // on `loop`.
  static absl::StatusOr<std::unique_ptr<Reloader>> Create(EventLoop* loop, Source source,
                                                          std::vector<std::string> source_files,
                                                          uint64_t source_fingerprint,
                                                          Receiver receiver);
  ~Reloader() { Stop(kPatience); }
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // Once more afterwards, if it is at work already: it may have read what has changed since.
  void Start(std::shared_ptr<const LiveConfig> current, Cause cause);

  // Where changes of the source's files, and of all that `live` is made of, show.
  WatchPlan PlanFor(const LiveConfig& live) const;

  // Nothing is received any more. Waits for a source that is at work; one that takes longer than
  // `patience` is told of and left behind.
  void Stop(absl::Duration patience);

 private:
  struct Job {
    std::shared_ptr<const LiveConfig> current;
    Cause cause;
  };

  // All that the thread uses.
  struct Workshop {
    Workshop(Source source, std::vector<std::string> source_files, uint64_t source_fingerprint,
             const Clock* clock)
        : source(std::move(source)),
          source_files(std::move(source_files)),
          source_fingerprint(source_fingerprint),
          clock(clock) {}

    void Run(EventLoop* loop, Reloader* reloader);
    std::optional<Job> NextJob();  // none: the end has come
    Outcome Work(const Job& job);
    Result AskSource(const LiveConfig* current);
    WatchPlan PlanFor(const LiveConfig& live) const;

    // The thread's, while it is at work.
    Source source;
    const std::vector<std::string> source_files;
    uint64_t source_fingerprint;
    bool refused = false;  // what the source made last
    const Clock* const clock;
    const std::shared_ptr<ReadingNote> note = std::make_shared<ReadingNote>();

    Mutex mutex;
    CondVar changed;
    std::optional<Job> job ABSL_GUARDED_BY(mutex);
    bool ending ABSL_GUARDED_BY(mutex) = false;
  };

  Reloader(EventLoop* loop, Receiver receiver, std::shared_ptr<Workshop> workshop)
      : loop_(loop), receiver_(std::move(receiver)), workshop_(std::move(workshop)) {}

  void Finish(const Outcome& outcome);

  EventLoop* const loop_;  // Not owned.
  Receiver receiver_;
  bool at_work_ = false;
  absl::Time began_at_;
  std::optional<Cause> again_;
  const std::shared_ptr<Workshop> workshop_;
  Thread thread_;
};

// What a reload changes, for the log: "+orders", "-billing", "~search(limits)" for routes and
// listeners, sorted; empty if nothing has changed. A hundred at most, and how many more there are.
std::string DescribeChanges(const Config& before, const Config& after);

}  // namespace tlsbridge
