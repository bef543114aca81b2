// Owns the connections of one worker, and is the only way out for each of them.
//
// InitiateCleanupOnce(record, end) -> CleanupConnection -> Bridge::Cleanup ->
// Endpoint::CleanupSocket -> Forget. The first call wins; the rest happens at once, on this loop,
// without a queue.
//
// Thread: the worker's. Owner: the worker. Loop, memory, limits and configuration outlive it.
// Failure: reasons, counted and logged.
#pragma once

#include <stdint.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "bridge/worker_memory.h"
#include "router/connections/connection.h"
#include "router/connections/connection_filter.h"
#include "router/connections/connection_log.h"
#include "router/connections/connection_walk.h"
#include "router/handshakes/handshake_limit.h"
#include "router/handshakes/handshake_queue.h"
#include "router/handshakes/signing_thread.h"
#include "router/limits/admission.h"
#include "router/live/live_config.h"
#include "router/stats/termination_stats.h"

namespace tlsbridge {

class ConnectionManager {
 public:
  // Ids are `first_id`, `first_id` + `id_step`, ..., so that those of several workers differ.
  ConnectionManager(std::shared_ptr<const LiveConfig> live, Admission* admission,
                    HandshakeLimit* handshake_limit, FailureFolder* folder, EventLoop* loop,
                    WorkerMemory* memory, uint64_t first_id = 1, uint64_t id_step = 1);
  ConnectionManager(const ConnectionManager&) = delete;
  ConnectionManager& operator=(const ConnectionManager&) = delete;

  // Takes over an accepted `fd`: makes its record, or refuses and closes it.
  void Accept(int fd, const SocketAddress& peer, const SocketAddress* listener);

  // New connections are served as `live` says. Those of routes that are gone drain.
  void Adopt(std::shared_ptr<const LiveConfig> live);

  // Ends a connection for `end`. The first call for a record wins and returns true.
  bool InitiateCleanupOnce(ConnectionRecord& record, const End& end);

  // Ends connections as they fall idle. The rest go on until EndAll(), which is due after
  // `timeout`.
  void BeginDrain(absl::Duration timeout = absl::InfiniteDuration());
  void EndAll(TerminationReason reason);
  // The same, and without a grace.
  void CutAll(TerminationReason reason);

  // Counts, logs and destroys a connection whose sockets are gone.
  void Forget(Connection* connection);

  // Whether a route of that name is there now.
  bool Serves(const Route& route) const { return live_->ByName(route.name) != nullptr; }
  // How long a connection that has to end may go on until it falls idle.
  absl::Duration drain_timeout() const { return live_->config().shutdown.drain_timeout; }
  // When all must have ended; infinite while nobody has told the program to stop.
  absl::Time drain_deadline() const { return drain_deadline_; }
  // `max_lifetime` with its jitter.
  absl::Duration DrawLifetime(absl::Duration max_lifetime);
  // For a connection whose peer has told who its client is.
  TerminationReason NameClient(const SocketAddress& client, Admission::Token* token);
  // Its own reference to a route: workers do not write to one cache line at each connection.
  std::shared_ptr<const LiveRoute> Own(const std::shared_ptr<const LiveRoute>& route);
  HandshakeLimit& handshake_limit() { return *handshake_limit_; }
  uint64_t Random() { return random_(); }
  HandshakeQueue& handshakes() { return handshakes_; }
  SigningThread& signer() { return signer_; }
  const HandshakeQueue& handshakes() const { return handshakes_; }

  size_t GetConnectionCount() const { return connections_.size(); }
  const ConnectionsById& connections() const { return connections_; }
  const TerminationStats& termination_stats() const { return stats_; }
  const LiveCounters& live() const { return memory_->live; }
  size_t live_timers() const { return loop_->connection_timers().armed(); }

  // What one worker tells of connections, taken a few in a turn. `done` runs in a later turn.
  struct Listing {
    std::string records;      // JSON objects, separated by commas
    size_t queued_bytes = 0;  // what stalled peers of these have not taken yet, both ways
  };
  void List(const IdRange& range, const ConnectionFilter& filter,
            absl::AnyInvocable<void(Listing)> done);
  // The `most` ids that come next behind `after`.
  std::vector<uint64_t> NextIds(uint64_t after, size_t most) const;
  // The same of those connections that `filter` wants. `done` may run now.
  void FindIds(uint64_t after, size_t most, const ConnectionFilter& filter,
               absl::AnyInvocable<void(std::vector<uint64_t>)> done);

  const RecentEnds& recent_ends() const { return log_.recent(); }
  // Tells what the log has folded. REQUIRES: the loop has stopped.
  void FinishLog() { log_.Finish(); }

  // Called whenever the last connection has gone.
  void set_on_empty(absl::AnyInvocable<void()> on_empty) { on_empty_ = std::move(on_empty); }
  // Called for each connection that has gone, refused ones included.
  void set_on_gone(absl::AnyInvocable<void()> on_gone) { on_gone_ = std::move(on_gone); }

 private:
  // Those that are there now: what is done to one may end it or others, which then live on until
  // this turn's end.
  std::vector<Connection*> All() const;
  void CleanupConnection(Connection& connection);
  void CountEnd(const End& end);
  void DrainIdle();

  std::shared_ptr<const LiveConfig> live_;
  absl::flat_hash_map<const LiveRoute*, std::shared_ptr<const LiveRoute>> own_routes_;  // of live_
  Admission* const admission_;             // Not owned.
  HandshakeLimit* const handshake_limit_;  // Not owned.
  EventLoop* const loop_;                  // Not owned.
  WorkerMemory* const memory_;             // Not owned.
  SigningThread signer_;
  HandshakeQueue handshakes_;
  ConnectionLog log_;
  TerminationStats stats_;
  ConnectionsById connections_;
  ConnectionWalk walk_;
  std::minstd_rand random_;
  uint64_t next_id_;
  const uint64_t id_step_;
  Timer drain_timer_;
  absl::Time drain_deadline_ = absl::InfiniteFuture();
  absl::AnyInvocable<void()> on_empty_;
  absl::AnyInvocable<void()> on_gone_;
};

}  // namespace tlsbridge
