// One thread with its own loop, staging memory and connections.
//
// Thread: made and joined by the router's; all else happens on its own. Owner: the router.
// Configuration, admission and listening sockets outlive it. Failure: Create() returns a Status.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "bridge/worker_memory.h"
#include "router/config/config.h"
#include "router/connection_manager.h"
#include "router/limits/admission.h"
#include "router/listener.h"
#include "router/termination_stats.h"

namespace tlsbridge {

class Worker {
 public:
  // What a worker tells of itself, made on its thread.
  struct Snapshot {
    LiveCounters live;
    size_t timers = 0;
    size_t queued_bytes = 0;
    TerminationStats stats;
    std::string records;  // JSON objects, separated by commas; only when asked for

    // Sums everything but the records.
    void Add(const Snapshot& other);
  };

  static absl::StatusOr<std::unique_ptr<Worker>> Create(const Config* config, Admission* admission,
                                                        const Clock* clock, int index, int workers);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start(const std::vector<const ListeningSocket*>& sockets);

  // The rest may be called from any thread; each takes effect on the worker's own.

  // Stops accepting and ends connections as they fall idle. `on_accepting_stopped`, and `on_empty`
  // when no connection is left, run on the worker's thread.
  void Drain(absl::AnyInvocable<void()> on_accepting_stopped, absl::AnyInvocable<void()> on_empty);
  void EndAll(TerminationReason reason);
  void Report(bool with_records, absl::AnyInvocable<void(const Snapshot&)> receiver);

  // Ends the thread. REQUIRES: no connection is left, or it does not matter.
  void Join();
  // REQUIRES: joined.
  Snapshot FinalSnapshot() const;

 private:
  Worker(const Config* config, Admission* admission, std::unique_ptr<EventLoop> loop, int index,
         int workers);

  Snapshot Take(bool with_records) const;

  std::unique_ptr<EventLoop> loop_;
  WorkerMemory memory_;
  ConnectionManager connections_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::thread thread_;
};

}  // namespace tlsbridge
