// One thread with its own loop, staging memory and connections.
//
// Thread: made and joined by the router's; all else happens on its own. Owner: the router.
// Admission and listening sockets outlive it. Failure: Create() and Start() return a Status.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/thread.h"
#include "bridge/worker_memory.h"
#include "router/connections/connection_manager.h"
#include "router/limits/admission.h"
#include "router/live/live_config.h"
#include "router/stats/termination_stats.h"

namespace tlsbridge {

class Worker {
 public:
  // What a worker tells of itself, made on its thread.
  struct Snapshot {
    LiveCounters live;
    size_t timers = 0;
    size_t handshakes_waiting = 0;
    uint64_t handshakes_begun = 0;
    TerminationStats stats;
    // Only of ListConnections(), for those that it lists.
    std::string records;  // JSON objects, separated by commas
    size_t queued_bytes = 0;

    void Add(const Snapshot& other);
  };

  static absl::StatusOr<std::unique_ptr<Worker>> Create(std::shared_ptr<const LiveConfig> live,
                                                        Admission* admission,
                                                        HandshakeLimit* handshake_limit,
                                                        FailureFolder* folder, const Clock* clock,
                                                        int index, int workers);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Failure: there is no thread to be had.
  absl::Status Start();

  // The rest may be called from any thread; each takes effect on the worker's own.

  // Takes over an accepted client. `listener` outlives the worker.
  void Accept(int fd, const SocketAddress& peer, const SocketAddress* listener);
  // How many connections it has, those that it has yet to notice included.
  int64_t load() const { return load_.load(std::memory_order_relaxed); }

  // Serves new connections as `live` says.
  void Adopt(const std::shared_ptr<const LiveConfig>& live);

  // `on_empty` runs on the worker's thread, when no connection is left. Once; none comes any more.
  void AwaitEmpty(absl::AnyInvocable<void()> on_empty);
  // Ends connections as they fall idle; EndAll() is due after `timeout`.
  void EndIdle(absl::Duration timeout);
  void EndAll(TerminationReason reason);
  void CutAll(TerminationReason reason);  // without a grace
  // Each `receiver` runs on the worker's thread, in a later turn: what is asked of all connections
  // takes several. What is under way when the thread ends is dropped.
  void ListConnections(const IdRange& range, const ConnectionFilter& filter,
                       absl::AnyInvocable<void(Snapshot)> receiver);
  // The `most` ids of connections that `filter` wants and that come next behind `after`.
  void ReportIds(uint64_t after, size_t most, const ConnectionFilter& filter,
                 absl::AnyInvocable<void(std::vector<uint64_t>)> receiver);

  // Those that ended in order, the latest first.
  void FindEnded(const RecentEnds::Query& query,
                 absl::AnyInvocable<void(std::vector<RecentEnds::Found>)> receiver);

  // Ends the thread. REQUIRES: no connection is left, or it does not matter.
  void Join();
  // REQUIRES: joined.
  Snapshot FinalSnapshot() const;

  EventLoop* loop() const { return loop_.get(); }

 private:
  Worker(const std::shared_ptr<const LiveConfig>& live, Admission* admission,
         HandshakeLimit* handshake_limit, FailureFolder* folder, std::unique_ptr<EventLoop> loop,
         int index, int workers);

  Snapshot Take() const;

  const int index_;
  std::unique_ptr<EventLoop> loop_;
  WorkerMemory memory_;
  ConnectionManager connections_;
  // On a cache line of its own: written by whoever accepts, too.
  alignas(64) std::atomic<int64_t> load_{0};
  std::atomic<std::thread::id> runs_on_;  // written once, by itself
  Thread thread_;
};

}  // namespace tlsbridge
