// One client's connection: its record, its bridge, and the one timer that watches over both.
//
// It asks the ConnectionManager for every decision; it ends only through InitiateCleanupOnce.
//
// Thread: the worker's. Owner: the ConnectionManager, which outlives it. Failure: reported as an
// End.
#pragma once

#include <memory>

#include "bridge/bridge.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "bridge/live_counters.h"
#include "bridge/worker_memory.h"
#include "router/connection_record.h"
#include "router/limits/admission.h"

namespace tlsbridge {

class ConnectionManager;

// While draining, how often to look for connections that have fallen idle, and how long makes one
// idle.
inline constexpr absl::Duration kDrainLook = absl::Milliseconds(100);
inline constexpr absl::Duration kDrainIdle = absl::Seconds(1);

class Connection final : public DeferredDeletable, private Bridge::Observer {
 public:
  // Takes over `fd`. `record` has its id, peer, listener, route and times.
  Connection(ConnectionManager* manager, const ConnectionRecord& record, int fd,
             Admission::Token token, EventLoop* loop, WorkerMemory* memory);

  // Arms the timer for the next deadline, or acts on one that has come.
  void MeetDeadlines();
  void StopWatching() { timer_.Cancel(); }

  // The last byte went to the client, or none went at all, and nothing is under way: nobody waits
  // for an answer.
  bool IdleSince(absl::Time time) const;

  ConnectionRecord& record() { return record_; }
  const ConnectionRecord& record() const { return record_; }
  Bridge& bridge() { return bridge_; }
  const Bridge& bridge() const { return bridge_; }
  const Timer& timer() const { return timer_; }

 private:
  void OnClientReady() override;
  void OnBackendConnected() override;
  void OnConnectFailed(int error) override;
  void OnHalfClosed() override;
  void OnEnded(const End& end) override;
  void OnClosed() override;

  void WarnOfInactivity();
  void WithdrawWarningIfActive();
  // Too old, but not idle: true if it has some time left to become so.
  bool DrainsFirst();
  void TightenKeepalive();

  ConnectionManager* const manager_;  // Not owned.
  EventLoop* const loop_;             // Not owned.
  LiveCount live_record_;
  Admission::Token token_;
  ConnectionRecord record_;
  Bridge bridge_;
  Timer timer_;
};

}  // namespace tlsbridge
