#include "router/service/reloads.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "router/live/renewal/renewal_log.h"
#include "router/live/tls_warnings.h"
#include "router/log/log.h"
#include "router/service/confinement.h"
#include "router/service/start_log.h"

namespace tlsbridge {

absl::StatusOr<std::unique_ptr<Reloads>> Reloads::Create(const Parts& parts, Source source,
                                                         std::shared_ptr<const LiveConfig> live) {
  std::unique_ptr<Reloads> reloads(new Reloads(parts, std::move(live), source.lookups));
  Reloads* const self = reloads.get();
  auto reloader = Reloader::Create(
      parts.loop, std::move(source.make), std::move(source.files), source.fingerprint,
      [self](const Reloader::Outcome& outcome) { return self->OnReloaded(outcome); });
  if (!reloader.ok()) return reloader.status();
  reloads->reloader_ = *std::move(reloader);
  if (source.watched) {
    reloads->file_watcher_ = std::make_unique<FileWatcher>(parts.loop, [self] {
      if (self->parts_.lifecycle->ready()) self->Reload(Reloader::Cause::kFilesMayHaveChanged);
    });
    reloads->file_watcher_->Watch(reloads->reloader_->PlanFor(*reloads->live_));
  }
  return reloads;
}

Reloads::Reloads(const Parts& parts, std::shared_ptr<const LiveConfig> live,
                 BackendWatch::Lookups lookups)
    : parts_(parts), live_(std::move(live)), backend_watch_(parts.loop, &control_live_, lookups) {}

Reloads::~Reloads() = default;

void Reloads::Begin() {
  facts_.last_taken = parts_.loop->clock().Wall();
  LogRoutesDown(nullptr, *live_, TellProblems::kAll);
  OnServed();
  expiry_watch_ =
      std::make_unique<ExpiryWatch>(parts_.loop, [this]() -> const LiveConfig& { return *live_; });
  expiry_watch_->Check();
}

void Reloads::Release() {
  held_ = false;
  if (const auto cause = std::exchange(waiting_, std::nullopt)) Reload(*cause);
}

void Reloads::Reload(Reloader::Cause cause) {
  if (held_ && parts_.lifecycle->ready()) {
    waiting_ = std::max(waiting_.value_or(cause), cause);
    return;
  }
  if (parts_.lifecycle->ready()) {
    if (cause == Reloader::Cause::kAsked && on_asked_) on_asked_(Asked::kBegins);
    return reloader_->Start(live_, cause);
  }
  LogEvent(LogLevel::kWarning, "reload_refused").Text("message", "the process is ending");
}

std::shared_ptr<const LiveConfig> Reloads::OnReloaded(const Reloader::Outcome& outcome) {
  if (held_) {
    // It has been made, and is made once more: nobody knows what becomes of the listeners.
    const auto cause =
        outcome.asked ? Reloader::Cause::kAsked : Reloader::Cause::kFilesMayHaveChanged;
    waiting_ = std::max(waiting_.value_or(cause), cause);
  } else if (parts_.lifecycle->ready()) {
    Take(outcome);
  }
  if (outcome.asked && on_asked_) on_asked_(Asked::kIsOver);
  return live_;
}

void Reloads::Take(const Reloader::Outcome& outcome) {
  if (file_watcher_ != nullptr) file_watcher_->Watch(outcome.watch);
  std::shared_ptr<const LiveConfig> live = outcome.renewed;
  bool reloaded = outcome.reloaded;
  if (reloaded) {
    absl::Status status = outcome.live.status();
    if (status.ok()) status = parts_.kernel->Prepare(**outcome.live);
    if (status.ok()) status = parts_.listeners->Open((*outcome.live)->config().listeners);
    std::string refusal(status.message());
    if (sandboxed_) refusal += SandboxHint(refusal);
    if (!status.ok() && (outcome.asked || refusal != facts_.refusal)) {
      LogEvent(LogLevel::kError, "reload_refused").Text("message", refusal);
    }
    reloaded = status.ok();
    CountReload(refusal);
    if (reloaded) live = *outcome.live;
  }
  if (live != live_ || outcome.asked) {
    const RenewalCounts counts =
        LogRenewals(*live_, *live, outcome.asked ? TellProblems::kAll : TellProblems::kNew);
    const absl::Time now = parts_.loop->clock().Wall();
    facts_.renewals.taken += counts.taken;
    facts_.renewals.refused += counts.refused;
    if (counts.taken > 0) facts_.last_renewal_taken = now;
    facts_.files_refused = FilesRefused(*live, facts_.files_refused, now);
  }
  if (reloaded) {
    CommitReloaded(std::move(live));
  } else if (live != live_) {
    CommitRenewed(std::move(live));
  }
}

// `refusal` is empty for one that is taken.
void Reloads::CountReload(const std::string& refusal) {
  const absl::Time now = parts_.loop->clock().Wall();
  const bool was_refused = std::exchange(facts_.last_refused, !refusal.empty());
  facts_.refusal = refusal;
  if (refusal.empty()) {
    ++facts_.taken;
    facts_.last_taken = now;
  } else {
    ++facts_.refused;
    if (!was_refused) facts_.refused_since = now;
  }
}

// A configuration that is served from now on.
void Reloads::OnServed() {
  LogUnixBackends(config());
  LogTlsWarnings(*live_, nullptr);
  backend_watch_.Adopt(*live_);
}

void Reloads::CommitReloaded(std::shared_ptr<const LiveConfig> live) {
  const std::shared_ptr<const LiveConfig> before = std::exchange(live_, std::move(live));
  const Budget& budget = parts_.budget;
  const int workers = static_cast<int>(parts_.workers.size());
  const int64_t others = OtherDescriptors(config(), workers);
  const Limits limits = HandshakeLimit::WithDefault(config().limits, workers);
  parts_.admission->SetLimits(limits,
                              ConnectionBudget(budget.descriptors, budget.memory_bytes, others));
  parts_.handshake_limit->SetLimit(limits.handshakes);
  for (const auto& route : live_->routes()) {
    route->state->admission.SetLimits(route->settings->limits);
  }
  // It is told once it is so.
  ++closing_;
  parts_.listeners->CloseOthers(
      config().listeners,
      [this, live = live_, changes = DescribeChanges(before->config(), config())] {
        // From here, ahead of those who come to new listeners.
        for (auto& worker : parts_.workers) worker->Adopt(live);
        parts_.loop->Post([this, live, changes] {
          if (--closing_ == 0 && live != live_) ServeByNow();
          LogEvent(LogLevel::kInfo, "reloaded").Text("changes", changes);
        });
      });
  OnServed();
  CommitKernel();
  expiry_watch_->Check();
  parts_.listeners->Start();
  if (on_listeners_) on_listeners_();
  if (before->config().admin != config().admin || before->config().metrics != config().metrics ||
      before->config().workers != config().workers ||
      !(before->config().sandbox == config().sandbox) ||
      before->config().log.level != config().log.level ||
      before->config().log.format != config().log.format) {
    LogEvent(LogLevel::kWarning, "restart_needed")
        .Text("message",
              "the admin addresses, the number of workers, the sandbox and the log's level and "
              "format take effect only at a restart");
  }
}

// The same routes and listeners.
void Reloads::CommitRenewed(std::shared_ptr<const LiveConfig> live) {
  const std::shared_ptr<const LiveConfig> before = std::exchange(live_, std::move(live));
  LogTlsWarnings(*live_, before.get());
  if (closing_ == 0) ServeByNow();
  // Checks of backends go by the certificates that connections go by.
  backend_watch_.Adopt(*live_);
  CommitKernel();
  expiry_watch_->Check();
}

void Reloads::CommitKernel() {
  const absl::Status status = parts_.kernel->Commit(live_);
  if (status.ok()) return;
  LogEvent(LogLevel::kError, "kernel_trouble").Text("message", status.message());
}

// New connections, that is; what has a connection keeps what it began with.
void Reloads::ServeByNow() {
  for (auto& worker : parts_.workers) worker->Adopt(live_);
}

}  // namespace tlsbridge
