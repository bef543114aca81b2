// Forwarding by the kernel, on an event loop: keeps the table what the plan says, and tells of
// flows.
//
// A route is asked for again after every change of its backends, once for all that change within a
// moment; the whole plan where more than that has changed. What the kernel refuses leaves the table
// as it was, is told of, and tried again each second.
//
// Another process can go on with it: Pause() stops all that this one does with the sockets which
// both have then, until Resume(); or the engine ends here and goes on there, with what Known()
// says.
//
// Thread: the loop's. Owner: the caller; source, loop and observer outlive it. Its end removes the
// table, unless that is to be kept. Failure: Start(), Prepare() and Commit() return a Status that
// names the part which the kernel refused; then nothing has changed.
#pragma once

#include <stddef.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "router/kernel/flow_owner.h"
#include "router/kernel/flow_watcher.h"
#include "router/kernel/kernel_table.h"
#include "router/kernel/plan.h"
#include "router/kernel/plan_change.h"

namespace tlsbridge::kernel {

class KernelEngine {
 public:
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void OnFlow(const FlowEvent& event) = 0;
    // The table, or the watch, is not what it should be; once until it is again, which is told of
    // by an OK.
    virtual void OnTrouble(const absl::Status& trouble) = 0;
  };

  struct Options {
    bool keep = false;                               // the table, when the process ends
    absl::Duration settle = absl::Milliseconds(20);  // of changes of backends
    // Of news of flows: being woken for each costs more than reading it. Not where a route has
    // limits, by which clients that come to the program are judged.
    absl::Duration gather = absl::Milliseconds(5);
    absl::Duration look_every = absl::Seconds(1);  // at flows that nobody has answered
    // With all that the kernel has; more often if a route's timeouts are shorter.
    absl::Duration reconcile_every = absl::Minutes(1);
  };

  // What is to be forwarded.
  class Source {
   public:
    virtual ~Source() = default;
    virtual Plan PlanNow() = 0;
    // One of the plan's routes; nullopt if there is none of that name.
    virtual std::optional<Route> RouteNow(const std::string& name) = 0;
  };

  // Of a process that hands over.
  struct Inherited {
    std::unique_ptr<NetfilterSocket> table;
    FlowWatcher::Inherited flows;
  };

  static absl::StatusOr<std::unique_ptr<KernelEngine>> Start(Source* source, Options options,
                                                             EventLoop* loop, Observer* observer,
                                                             Inherited inherited = {});
  KernelEngine(const KernelEngine&) = delete;
  KernelEngine& operator=(const KernelEngine&) = delete;

  // Whether the kernel would take this plan; of the same table.
  absl::Status Prepare(const Plan& plan);
  // The source says something else. If the kernel refuses it, it is tried again, as ever.
  absl::Status Commit();

  // Backends of these routes have come, gone, fallen ill or recovered.
  void BackendsChanged(const std::set<std::string>& routes);

  // New connections reach the program from now on; those that are open go on.
  void StopTaking();
  // Ends the open flows of which `is_wanted` says so, with this reason; how many.
  size_t End(const std::function<bool(const Flow&)>& is_wanted, TerminationReason reason);
  // The same of one; false if it is over.
  bool EndOne(uint32_t flow, TerminationReason reason);

  // That of the table and that of news; they stay the engine's.
  std::array<int, 2> sockets() const { return {table_->fd(), watcher_->fd()}; }
  // All news that is there is told of. From now on the engine tells, asks and changes nothing.
  void Pause();
  // REQUIRES: the other process has ended, if it had the sockets. What it did to the table is
  // undone, and what was asked for meanwhile is done, but of flows that were to be ended.
  void Resume();
  std::vector<KnownFlow> Known() const { return watcher_->table().Known(); }

  // Afterwards there is no table, even of one that is to be kept; no call but the destructor may
  // follow.
  absl::Status Remove() { return table_->Remove(); }

  // Reads the news of flows that is there, and does not wait until more has gathered.
  void CatchUp();
  // Makes flows() what the kernel has now, bytes included.
  void Refresh();

  const FlowTable& flows() const { return watcher_->table(); }
  const Plan& plan() const { return plan_; }
  const Ruleset& rules() const { return table_->rules(); }
  uint64_t overflows() const { return watcher_->overflows(); }
  uint64_t rewrites() const { return table_->rewrites(); }

 private:
  KernelEngine(Source* source, Options options, EventLoop* loop, Observer* observer);

  absl::Status Open(const Plan& plan, Inherited inherited);
  absl::Status Change(Plan plan);
  absl::Status ChangeRoutes(const std::set<std::string>& names);
  void ChangeNow();
  void SetOwner(const Plan& plan);
  void SetPlan(Plan plan);
  void OnEvents();
  void ReadEvents();
  void Look();
  void Tell(const absl::Status& status, bool* is_told);

  Source* const source_;  // Not owned.
  const Options options_;
  EventLoop* const loop_;     // Not owned.
  Observer* const observer_;  // Not owned.
  Plan plan_;                 // as the table has it
  PlanIndex index_;           // of it
  bool is_urgent_ = false;    // what flows do, because a route of it has limits
  std::shared_ptr<const FlowOwner> owner_;
  std::unique_ptr<FlowWatcher> watcher_;
  std::unique_ptr<KernelTable> table_;
  std::unique_ptr<FdEvent> events_;
  Timer settling_;
  Timer gathering_;
  Timer look_;
  absl::Time reconciled_at_;
  std::set<std::string> changed_;  // routes, since the table was changed
  bool stopped_ = false;
  bool paused_ = false;
  bool is_behind_ = false;  // the table is not what the plan says, and the kernel would not have it
  bool table_trouble_told_ = false;
  bool watch_trouble_told_ = false;
};

}  // namespace tlsbridge::kernel
