// Leads the service from its first connection to its last: what moves it from phase to phase, and
// what each asks of listeners and workers.
//
// Thread: the control loop's. Owner: the router. What it is given outlives it. Failure:
// none; whatever connections do, every phase but serving has an end.
#pragma once

#include <stddef.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/config/config.h"
#include "router/limits/admission.h"
#include "router/listeners/listeners.h"
#include "router/service/kernel_forwarding.h"
#include "router/service/phase.h"
#include "router/worker.h"

namespace tlsbridge {

class Lifecycle {
 public:
  // `on_stopped` runs once, when no connection is left.
  Lifecycle(EventLoop* loop, Listeners* listeners,
            absl::Span<const std::unique_ptr<Worker>> workers, KernelForwarding* kernel,
            const Admission* admission, absl::AnyInvocable<void()> on_stopped);
  Lifecycle(const Lifecycle&) = delete;
  Lifecycle& operator=(const Lifecycle&) = delete;

  // Told of each phase that is entered.
  void set_on_phase(absl::AnyInvocable<void(Phase)> on_phase) { on_phase_ = std::move(on_phase); }

  // Serves. REQUIRES: the workers' threads are there.
  void Begin();
  // The first time, drains as `shutdown` says. A second one has no patience: not even for
  // BridgeOptions::grace.
  void Terminate(const Shutdown& shutdown);

  // Another process serves from now on: closes the listeners, of which it has those that are
  // `taken`. Connections go on until they end, or for as long as `shutdown` says.
  void HandOver(const Shutdown& shutdown, const std::vector<bool>& taken);

  bool ready() const { return IsReady(phase_); }
  Phase phase() const { return phase_; }
  absl::Time phase_since() const { return phase_since_; }  // by the wall

 private:
  void Enter(Phase phase);
  void OnTimer();
  void Drain();
  void End();
  void Cut();
  void OnAcceptingStopped();
  void AwaitEmpty();
  void OnEmpty();

  EventLoop* const loop_;                                    // Not owned.
  Listeners* const listeners_;                               // Not owned.
  const absl::Span<const std::unique_ptr<Worker>> workers_;  // Not owned.
  KernelForwarding* const kernel_;                           // Not owned.
  const Admission* const admission_;                         // Not owned.
  absl::AnyInvocable<void()> on_stopped_;
  absl::AnyInvocable<void(Phase)> on_phase_;
  Phase phase_ = Phase::kStarting;
  absl::Time phase_since_ = absl::InfinitePast();
  absl::Duration drain_timeout_;
  size_t busy_;  // of the workers and the kernel, those that have connections
  Timer timer_;  // of the phase
};

}  // namespace tlsbridge
