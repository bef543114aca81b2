#include "router/service/lifecycle.h"

#include <utility>

#include "router/log/log.h"
#include "tls/check.h"

namespace tlsbridge {
namespace {

// For who is told twice.
constexpr absl::Duration kLastGrace = absl::Seconds(1);

}  // namespace

Lifecycle::Lifecycle(EventLoop* loop, Listeners* listeners,
                     absl::Span<const std::unique_ptr<Worker>> workers, KernelForwarding* kernel,
                     const Admission* admission, absl::AnyInvocable<void()> on_stopped)
    : loop_(loop),
      listeners_(listeners),
      workers_(workers),
      kernel_(kernel),
      admission_(admission),
      on_stopped_(std::move(on_stopped)),
      busy_(workers.size() + 1),
      timer_(
          loop, [this] { OnTimer(); }, Timer::Of::kService) {}

void Lifecycle::Enter(Phase phase) {
  Check(MayFollow(phase_, phase), "the service enters a phase that may not follow");
  phase_ = phase;
  phase_since_ = loop_->clock().Wall();
  timer_.Cancel();
  if (on_phase_) on_phase_(phase);
}

void Lifecycle::Begin() { Enter(Phase::kServing); }

void Lifecycle::Terminate(const Shutdown& shutdown) {
  switch (phase_) {
    case Phase::kServing:
      Enter(Phase::kLeaving);
      LogEvent(LogLevel::kInfo, "terminating")
          .Milliseconds("drain_delay_ms", shutdown.drain_delay)
          .Milliseconds("drain_timeout_ms", shutdown.drain_timeout);
      drain_timeout_ = shutdown.drain_timeout;
      timer_.ArmAfter(shutdown.drain_delay);
      break;
    case Phase::kHandedOver:
      Enter(Phase::kDraining);
      drain_timeout_ = shutdown.drain_timeout;
      for (auto& worker : workers_) worker->EndIdle(drain_timeout_);
      timer_.ArmAfter(drain_timeout_);
      break;
    case Phase::kLeaving:
      Drain();
      [[fallthrough]];
    case Phase::kDraining:
      End();
      [[fallthrough]];
    case Phase::kEnding:
      if (!timer_.armed()) timer_.ArmAfter(kLastGrace);
      break;
    case Phase::kStarting:
    case Phase::kCutting:
    case Phase::kStopped:
      break;
  }
}

void Lifecycle::OnTimer() {
  if (phase_ == Phase::kLeaving) {
    Drain();
  } else if (phase_ == Phase::kDraining || phase_ == Phase::kHandedOver) {
    End();
  } else {
    Cut();
  }
}

void Lifecycle::Drain() {
  Enter(Phase::kDraining);
  kernel_->StopTaking();  // before nobody listens where clients then come
  listeners_->CloseOthers({}, [this] { loop_->Post([this] { OnAcceptingStopped(); }); });
  timer_.ArmAfter(drain_timeout_);
}

void Lifecycle::HandOver(const Shutdown& shutdown, const std::vector<bool>& taken) {
  Enter(Phase::kHandedOver);
  drain_timeout_ = shutdown.drain_timeout;
  timer_.ArmAfter(drain_timeout_);
  listeners_->HandOver(taken, [this] { loop_->Post([this] { AwaitEmpty(); }); });
}

void Lifecycle::End() {
  Enter(Phase::kEnding);
  for (auto& worker : workers_) worker->EndAll(TerminationReason::kShutdown);
  kernel_->EndAll(TerminationReason::kShutdown);
}

void Lifecycle::Cut() {
  Enter(Phase::kCutting);
  for (auto& worker : workers_) worker->CutAll(TerminationReason::kShutdown);
  kernel_->CutAll(TerminationReason::kShutdown);
}

// Whoever had queued is with a worker now; from here on, new connections are refused. Those that
// came last must do as the rest has been told meanwhile.
void Lifecycle::OnAcceptingStopped() {
  LogEvent(LogLevel::kInfo, "draining")
      .Number("connections", admission_->connections() + static_cast<int64_t>(kernel_->open()));
  for (auto& worker : workers_) worker->EndIdle(drain_timeout_);
  AwaitEmpty();
}

void Lifecycle::AwaitEmpty() {
  for (auto& worker : workers_) {
    worker->AwaitEmpty([this] { loop_->Post([this] { OnEmpty(); }); });
    if (phase_ >= Phase::kEnding) worker->EndAll(TerminationReason::kShutdown);
    if (phase_ >= Phase::kCutting) worker->CutAll(TerminationReason::kShutdown);
  }
  kernel_->Drain([this] { loop_->Post([this] { OnEmpty(); }); });
}

void Lifecycle::OnEmpty() {
  if (--busy_ > 0) return;
  Enter(Phase::kStopped);
  on_stopped_();
}

}  // namespace tlsbridge
