// Makes the configuration anew, on a thread of its own: reading ten thousand certificates takes
// seconds, in which the control loop has to go on.
//
// Thread: the control loop's, but the source runs on the reloader's. Owner: the router. The loop
// outlives it. Failure: given to the receiver.
#pragma once

#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "router/live_config.h"

namespace tlsbridge {

class Reloader {
 public:
  using Result = absl::StatusOr<std::shared_ptr<const LiveConfig>>;
  // From flags, a file or memory. Takes over from the one before, if there is one.
  using Source = absl::AnyInvocable<Result(const LiveConfig* previous, const Clock* clock)>;
  // Returns what is served from now on: the new one, or the one before.
  using Receiver = absl::AnyInvocable<std::shared_ptr<const LiveConfig>(Result)>;

  // `receiver` runs on `loop`.
  Reloader(EventLoop* loop, Source source, Receiver receiver);
  // Waits for the source, if it is at work.
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // Once more afterwards, if the source is at work already: it may have read what has changed
  // since.
  void Start(std::shared_ptr<const LiveConfig> current);

 private:
  void Finish(Result result);

  EventLoop* const loop_;  // Not owned.
  Source source_;
  Receiver receiver_;
  std::thread thread_;
  bool at_work_ = false;
  bool again_ = false;
};

// What a reload changes, for the log: "+orders", "-billing", "~search(limits)" for routes and
// listeners, sorted; empty if nothing has changed.
std::string DescribeChanges(const Config& before, const Config& after);

}  // namespace tlsbridge
