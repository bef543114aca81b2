// The connections that the kernel forwards, as records: each is known, counted and logged as one of
// the program's own.
//
// What the kernel has taken is never refused here. It counts against the limits of its route, so
// that whoever comes to the program finds them used up, and as a connection of its backend, whose
// ejection goes by how it went. One that is too old, or whose route is gone, is ended.
//
// Thread: the loop's. Owner: the caller; loop and folder outlive it. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/backends/backend_pool.h"
#include "router/connections/connection_filter.h"
#include "router/connections/connection_log.h"
#include "router/connections/connection_record.h"
#include "router/connections/connection_walk.h"
#include "router/kernel/flow_table.h"
#include "router/limits/admission.h"
#include "router/live/live_config.h"
#include "router/stats/termination_stats.h"

namespace tlsbridge {

class ForwardedConnections {
 public:
  // Ids begin here: those of the program's own connections never come so far, and both are numbers
  // that every reader of JSON can hold.
  static constexpr uint64_t kFirstId = 1'000'000'000'000'001;

  // Asks the kernel to end a flow; news of its end follows.
  using EndFlow = absl::AnyInvocable<void(uint32_t flow, TerminationReason reason)>;

  ForwardedConnections(EventLoop* loop, FailureFolder* folder, EndFlow end_flow);
  ~ForwardedConnections();
  ForwardedConnections(const ForwardedConnections&) = delete;
  ForwardedConnections& operator=(const ForwardedConnections&) = delete;

  // From now on this is served. Connections of routes that are gone have as long to end as those
  // that drain.
  void Adopt(std::shared_ptr<const LiveConfig> live);

  void OnFlow(const kernel::FlowEvent& event);
  // What open ones have carried so far.
  void CountBytes(const kernel::FlowTable& flows);

  // Ends the record of each, as ended for `reason` by nobody's news.
  void CutAll(TerminationReason reason);
  // They go on without us: no word of their ends.
  void Forget();

  size_t size() const { return by_flow_.size(); }
  uint64_t ever() const { return next_id_ - kFirstId; }
  // The `most` ids that come next behind `after`.
  std::vector<uint64_t> NextIds(uint64_t after, size_t most, const ConnectionFilter& filter) const;
  // JSON objects, separated by commas.
  std::string List(const IdRange& range, const ConnectionFilter& filter) const;
  const TerminationStats& termination_stats() const { return stats_; }

  const RecentEnds& recent_ends() const { return log_.recent(); }
  // Tells what the log has folded. REQUIRES: the loop has stopped.
  void FinishLog() { log_.Finish(); }
  // Called whenever the last one has gone.
  void set_on_empty(absl::AnyInvocable<void()> on_empty) { on_empty_ = std::move(on_empty); }

 private:
  struct Forwarded;

  void Begin(const kernel::Flow& flow);
  void End(Forwarded* forwarded, const kernel::FlowReasons& reasons, absl::string_view detail);
  // Of one whose record is written.
  void CountLateBytes(const kernel::FlowEvent& event);
  void Retire(Forwarded* forwarded);
  void CountBytesOf(Forwarded* forwarded, const kernel::Flow& flow);

  EventLoop* const loop_;  // Not owned.
  EndFlow end_flow_;
  std::shared_ptr<const LiveConfig> live_;
  ConnectionLog log_;
  TerminationStats stats_;
  absl::flat_hash_map<uint32_t, std::unique_ptr<Forwarded>> by_flow_;
  std::map<uint64_t, const Forwarded*> by_id_;
  std::minstd_rand random_;
  uint64_t next_id_ = kFirstId;
  absl::AnyInvocable<void()> on_empty_;
};

}  // namespace tlsbridge
