// The kernel's part of the service: what of the configuration it forwards, from the start over
// every reload to the end.
//
// Prepare: the kernel is asked whether it would take the rules; nothing has changed then. Commit:
// it goes by them. The engine is there while a route has it, and after that until the last of its
// flows has ended, which the removal of the table would cut.
//
// A hand-over: this process pauses, says what it knows of flows, and, once the other one serves,
// forgets them: table and flows are that one's then, which goes on telling of them where this one
// has stopped, so that each is recorded once. Until then it could go on as before.
//
// Thread: the control loop's. Owner: the router. Loop and folder outlive it; Commit() comes before
// anything else, or Await() does. Failure: Prepare() and Commit() return a Status that says what to
// mend; where the configuration says so, the program forwards instead, and tells so.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/backends/change_signal.h"
#include "router/connections/forwarded_connections.h"
#include "router/handover/secret_bytes.h"
#include "router/handover/state.h"
#include "router/kernel/kernel_engine.h"
#include "router/kernel/make_plan.h"
#include "router/live/live_config.h"
#include "router/service/kernel_diagnosis.h"
#include "router/worker.h"

namespace tlsbridge {

class KernelForwarding final : private kernel::KernelEngine::Observer,
                               private kernel::KernelEngine::Source {
 public:
  KernelForwarding(EventLoop* loop, FailureFolder* folder);
  ~KernelForwarding() override;
  KernelForwarding(const KernelForwarding&) = delete;
  KernelForwarding& operator=(const KernelForwarding&) = delete;

  absl::Status Prepare(const LiveConfig& live);
  // If it fails, the kernel forwards what it did before.
  absl::Status Commit(std::shared_ptr<const LiveConfig> live);

  // ---- A hand-over, at this end.

  // What is offered, and its sockets, which stay ours; nothing if there is no table.
  std::optional<HandoverState::Kernel> Offer(std::vector<int>* descriptors) const;
  // The kernel goes on by the rules as they are, and nobody is told of flows.
  void Pause();
  SecretBytes LastWords() const;
  // REQUIRES: the other process has ended.
  void Resume();
  // It serves; its are table and flows.
  void HandOver();

  // ---- At the other end, instead of the first Commit(): nothing is forwarded by `live` before
  // TakeOver(). `descriptors` are those of `state`'s kernel, which are taken.

  absl::Status Await(std::shared_ptr<const LiveConfig> live,
                     const std::optional<HandoverState::Kernel>& offered,
                     const std::vector<int>& descriptors);
  absl::Status TakeOver(absl::Span<const uint8_t> last_words);

  // ---- The end. A table that is to be kept goes on as it is, and so do its flows.

  // New clients reach the program's listeners from now on.
  void StopTaking();
  // `on_empty` runs once no flow is left, maybe now.
  void Drain(absl::AnyInvocable<void()> on_empty);
  // Ends all flows, and those that come to light later.
  void EndAll(TerminationReason reason);
  // The same, and does not wait for the kernel's word of it.
  void CutAll(TerminationReason reason);
  // REQUIRES: the loop has stopped.
  void Leave();

  // ---- For operators.

  size_t open() const { return connections_.size(); }
  uint64_t ever() const { return connections_.ever(); }
  // Its share of what workers tell of themselves.
  Worker::Snapshot Take() const;
  std::vector<uint64_t> NextIds(uint64_t after, size_t most, const ConnectionFilter& filter);
  Worker::Snapshot List(const IdRange& range, const ConnectionFilter& filter);
  std::vector<RecentEnds::Found> FindEnded(const RecentEnds::Query& query) const {
    return connections_.recent_ends().Find(query);
  }
  // What flows have carried by now is counted at their routes.
  void Refresh();

 private:
  void OnFlow(const kernel::FlowEvent& event) override;
  void OnTrouble(const absl::Status& trouble) override;

  bool keeps() const;
  // After the program's end.
  bool goes_on() const;
  std::vector<EndpointStatus> EndpointsOf(const LiveConfig& live, const std::string& route) const;
  kernel::Plan MakePlan(const LiveConfig& live, const kernel::EndpointsOf& endpoints) const;
  // The same of what is served, and remembers when ejections end.
  std::vector<EndpointStatus> EndpointsNow(const std::string& route);
  kernel::Plan PlanNow() override;
  std::optional<kernel::Route> RouteNow(const std::string& name) override;
  void AwaitEjections();
  void OnEjectionsEnd();
  absl::Status CheckAwaited(const LiveConfig& live) const;
  absl::Status Start(const kernel::Plan& plan, kernel::KernelEngine::Inherited inherited = {});
  void TellOfSettings() const;
  // Goes by the backends of its routes, and no more by those of `before`, which may be null.
  void Watch(const LiveConfig* before);
  void Look();
  void OnEmpty();
  void EndEngine();
  void RemoveTable();
  void DropEngine();

  EventLoop* const loop_;  // Not owned.
  std::shared_ptr<const LiveConfig> live_;
  KernelSettings settings_;  // of the engine
  ForwardedConnections connections_;
  const std::shared_ptr<ChangeSignal> backends_changed_;
  std::unique_ptr<KernelDiagnosis> diagnosis_;  // while there is an engine
  std::unique_ptr<kernel::KernelEngine> engine_;
  // From Await() to TakeOver(); sockets are there if there is a table.
  bool awaits_ = false;
  kernel::KernelEngine::Inherited inherited_;
  bool wanted_ = false;      // a route has it
  std::string unavailable_;  // why the program forwards instead, as told; empty if it does not
  absl::AnyInvocable<void()> on_drained_;
  TerminationReason ending_ = TerminationReason::kNone;  // all flows
  absl::Time refreshed_at_ = absl::InfinitePast();       // for operators
  std::map<std::string, absl::Time> ejected_until_;      // the first of each route's backends
  Timer ejection_ends_;
  Timer look_;
  Timer end_late_ones_;
  Timer end_engine_;
};

}  // namespace tlsbridge
