#include "router/service/kernel_forwarding.h"

#include <algorithm>
#include <set>
#include <utility>

#include "router/handover/flows_message.h"
#include "router/kernel/build_ruleset.h"
#include "router/kernel/obstacles.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(3);
// What was asked of the kernel so long ago is asked again for an operator's question.
constexpr absl::Duration kFresh = absl::Seconds(1);

bool IsKernels(const Route& route) {
  return route.action == RouteAction::kForward &&
         route.forwarding_engine == ForwardingEngine::kNftables;
}

bool WantsKernel(const Config& config) {
  return std::any_of(config.routes.begin(), config.routes.end(), &IsKernels);
}

}  // namespace

KernelForwarding::KernelForwarding(EventLoop* loop, FailureFolder* folder)
    : loop_(loop),
      connections_(loop, folder,
                   [this](uint32_t flow, TerminationReason reason) {
                     if (engine_ != nullptr) engine_->EndOne(flow, reason);
                   }),
      backends_changed_(ChangeSignal::Create(loop,
                                             [this](const std::set<std::string>& routes) {
                                               if (engine_ != nullptr) {
                                                 engine_->BackendsChanged(routes);
                                               }
                                             })),
      ejection_ends_(
          loop, [this] { OnEjectionsEnd(); }, Timer::Of::kService),
      look_(
          loop, [this] { Look(); }, Timer::Of::kService),
      end_late_ones_(
          loop, [this] { EndAll(ending_); }, Timer::Of::kService),
      end_engine_(
          loop, [this] { EndEngine(); }, Timer::Of::kService) {
  connections_.set_on_empty([this] { OnEmpty(); });
}

KernelForwarding::~KernelForwarding() {
  backends_changed_->Close();
  if (live_ == nullptr) return;
  for (const auto& route : live_->routes()) route->state->endpoints->Watch(nullptr, "");
}

bool KernelForwarding::keeps() const { return settings_.on_exit == KernelOnExit::kKeep; }
bool KernelForwarding::goes_on() const { return wanted_ && keeps(); }

// ---- What is forwarded.

std::vector<EndpointStatus> KernelForwarding::EndpointsOf(const LiveConfig& live,
                                                          const std::string& route) const {
  const LiveRoute* const found = live.ByName(route);
  if (found == nullptr || found->backends == nullptr) return {};
  return found->backends->Endpoints(loop_->common_now());
}

kernel::Plan KernelForwarding::MakePlan(const LiveConfig& live,
                                        const kernel::EndpointsOf& endpoints) const {
  kernel::Plan plan = kernel::MakePlan(live.config(), endpoints, loop_->common_now());
  // The name stays what it was while there is a table.
  if (engine_ != nullptr || inherited_.table != nullptr) plan.table = settings_.table;
  return plan;
}

std::vector<EndpointStatus> KernelForwarding::EndpointsNow(const std::string& route) {
  std::vector<EndpointStatus> endpoints = EndpointsOf(*live_, route);
  absl::Time until = absl::InfiniteFuture();
  for (const EndpointStatus& endpoint : endpoints) {
    if (endpoint.ejected_until > loop_->common_now()) {
      until = std::min(until, endpoint.ejected_until);
    }
  }
  if (until < absl::InfiniteFuture()) {
    ejected_until_[route] = until;
  } else {
    ejected_until_.erase(route);
  }
  return endpoints;
}

kernel::Plan KernelForwarding::PlanNow() {
  ejected_until_.clear();
  kernel::Plan plan =
      MakePlan(*live_, [this](const std::string& route) { return EndpointsNow(route); });
  AwaitEjections();
  return plan;
}

std::optional<kernel::Route> KernelForwarding::RouteNow(const std::string& name) {
  const LiveRoute* const route = live_->ByName(name);
  if (route == nullptr || !IsKernels(*route->settings)) return std::nullopt;
  kernel::Route made = kernel::MakeRoute(*route->settings, EndpointsNow(name), loop_->common_now());
  AwaitEjections();
  return made;
}

void KernelForwarding::AwaitEjections() {
  absl::Time first = absl::InfiniteFuture();
  for (const auto& [route, until] : ejected_until_) first = std::min(first, until);
  ejection_ends_.Cancel();
  if (first < absl::InfiniteFuture()) ejection_ends_.ArmAfter(first - loop_->common_now());
}

void KernelForwarding::OnEjectionsEnd() {
  std::set<std::string> routes;
  for (const auto& [route, until] : ejected_until_) {
    if (until <= loop_->common_now()) routes.insert(route);
  }
  for (const std::string& route : routes) ejected_until_.erase(route);
  AwaitEjections();
  if (engine_ != nullptr && !routes.empty()) engine_->BackendsChanged(routes);
}

absl::Status KernelForwarding::Prepare(const LiveConfig& live) {
  const Config& config = live.config();
  if (awaits_) return CheckAwaited(live);
  const auto endpoints = [&](const std::string& route) { return EndpointsOf(live, route); };
  if (engine_ != nullptr) return engine_->Prepare(MakePlan(live, endpoints));
  if (!WantsKernel(config) || config.kernel.unavailable == KernelUnavailable::kProxy) {
    return absl::OkStatus();
  }
  return kernel::CanForward(kernel::BuildRuleset(MakePlan(live, endpoints)),
                            config.kernel.on_exit == KernelOnExit::kKeep);
}

absl::Status KernelForwarding::Commit(std::shared_ptr<const LiveConfig> live) {
  // Flows that have begun belong to the configuration before.
  if (engine_ != nullptr) engine_->CatchUp();
  const std::shared_ptr<const LiveConfig> before = std::exchange(live_, std::move(live));
  connections_.Adopt(live_);
  const Config& config = live_->config();
  wanted_ = WantsKernel(config);
  if (awaits_) return absl::OkStatus();
  absl::Status status;
  if (engine_ != nullptr) {
    status = engine_->Commit();
    TellOfSettings();
  } else if (wanted_) {
    status = Start(PlanNow());
  }
  Watch(before.get());
  if (!wanted_ && connections_.size() == 0) end_engine_.ArmAfter(absl::ZeroDuration());
  return status;
}

void KernelForwarding::TellOfSettings() const {
  const KernelSettings& wanted = live_->config().kernel;
  if (wanted.table == settings_.table && wanted.on_exit == settings_.on_exit) return;
  LogEvent(LogLevel::kWarning, "restart_needed")
      .Text("message", "kernel.table and kernel.on_exit take effect only at a restart");
}

absl::Status KernelForwarding::Start(const kernel::Plan& plan,
                                     kernel::KernelEngine::Inherited inherited) {
  const bool takes_over = inherited.table != nullptr;
  if (!takes_over) settings_ = live_->config().kernel;
  absl::Status status = kernel::CanForward(kernel::BuildRuleset(plan), keeps(),
                                           takes_over ? inherited.table->port() : 0);
  if (status.ok()) {
    // Before the first flow, whose bytes would never be counted.
    const bool counts = kernel::TurnAccountingOn();
    diagnosis_ = std::make_unique<KernelDiagnosis>();
    auto engine =
        kernel::KernelEngine::Start(this, {.keep = keeps()}, loop_, this, std::move(inherited));
    status = engine.status();
    if (status.ok()) {
      engine_ = *std::move(engine);
      unavailable_.clear();
      look_.ArmAfter(kLookEvery);
      LogEvent(LogLevel::kInfo, "kernel_forwarding")
          .Text("table", settings_.table)
          .Number("routes", static_cast<int64_t>(plan.routes.size()))
          .Number("listeners", static_cast<int64_t>(plan.listeners.size()));
      if (!counts) {
        LogEvent(LogLevel::kWarning, "kernel_accounting_off")
            .Text("message",
                  "bytes and durations of what the kernel forwards are unknown; run: sysctl -w "
                  "net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1");
      }
      return status;
    }
  }
  diagnosis_.reset();
  ejection_ends_.Cancel();
  // The program could not go on with what the kernel forwards.
  if (takes_over || settings_.unavailable == KernelUnavailable::kRefuse) return status;
  std::string why(status.message());
  if (std::exchange(unavailable_, why) != why) {
    LogEvent(LogLevel::kWarning, "kernel_unavailable")
        .Text("message", why)
        .Text("hint", "this program forwards instead");
  }
  return absl::OkStatus();
}

void KernelForwarding::Watch(const LiveConfig* before) {
  const auto set = [this](const LiveRoute& route, bool forwards) {
    route.state->endpoints->Watch(forwards ? backends_changed_ : nullptr, route.settings->name);
    route.state->kernel_forwards.store(forwards, std::memory_order_relaxed);
  };
  for (const auto& route : live_->routes()) {
    set(*route, engine_ != nullptr && IsKernels(*route->settings));
  }
  if (before == nullptr) return;
  for (const auto& route : before->routes()) {
    if (live_->ByName(route->settings->name) == nullptr) set(*route, false);
  }
}

// ---- What is told.

void KernelForwarding::OnFlow(const kernel::FlowEvent& event) {
  diagnosis_->OnFlow(event);
  connections_.OnFlow(event);
  const bool is_late =
      ending_ != TerminationReason::kNone && event.kind == kernel::FlowEvent::Kind::kBegan;
  if (is_late) end_late_ones_.ArmAfter(absl::ZeroDuration());
}

void KernelForwarding::OnTrouble(const absl::Status& trouble) {
  if (trouble.ok()) {
    LogEvent(LogLevel::kInfo, "kernel_recovered").Text("table", settings_.table);
    return;
  }
  LogEvent(LogLevel::kError, "kernel_trouble")
      .Text("table", settings_.table)
      .Text("message", trouble.message())
      .Text("hint", "the kernel keeps its previous rules; it is tried again each second");
}

void KernelForwarding::Look() {
  look_.ArmAfter(kLookEvery);
  if (ending_ == TerminationReason::kNone) diagnosis_->Look(*engine_);
}

// ---- A hand-over.

std::optional<HandoverState::Kernel> KernelForwarding::Offer(std::vector<int>* descriptors) const {
  if (engine_ == nullptr) return std::nullopt;
  for (const int fd : engine_->sockets()) descriptors->push_back(fd);
  return HandoverState::Kernel{settings_.table, keeps()};
}

void KernelForwarding::Pause() {
  if (engine_ != nullptr) engine_->Pause();
}

SecretBytes KernelForwarding::LastWords() const {
  return engine_ != nullptr ? EncodeFlows(engine_->Known()) : SecretBytes();
}

void KernelForwarding::Resume() {
  if (engine_ == nullptr) return;
  engine_->Resume();
  if (ending_ != TerminationReason::kNone) EndAll(ending_);
}

void KernelForwarding::HandOver() {
  connections_.Forget();
  DropEngine();  // the table stays: the other process has its socket
}

absl::Status KernelForwarding::Await(std::shared_ptr<const LiveConfig> live,
                                     const std::optional<HandoverState::Kernel>& offered,
                                     const std::vector<int>& descriptors) {
  awaits_ = true;
  live_ = std::move(live);
  connections_.Adopt(live_);
  wanted_ = WantsKernel(live_->config());
  settings_ = live_->config().kernel;
  if (offered.has_value()) {
    auto table = kernel::NetfilterSocket::Adopt(descriptors[0]);
    auto events = kernel::NetfilterSocket::Adopt(descriptors[1]);
    if (!table.ok()) return table.status();
    if (!events.ok()) return events.status();
    inherited_.table = *std::move(table);
    inherited_.flows.events = *std::move(events);
    settings_.table = offered->table;
    settings_.on_exit = offered->keep ? KernelOnExit::kKeep : KernelOnExit::kRemove;
  }
  // Later it may write no such thing.
  if (wanted_) kernel::TurnAccountingOn();
  return CheckAwaited(*live_);
}

absl::Status KernelForwarding::CheckAwaited(const LiveConfig& live) const {
  const bool takes_over = inherited_.table != nullptr;
  const bool must =
      WantsKernel(live.config()) && live.config().kernel.unavailable == KernelUnavailable::kRefuse;
  if (!takes_over && !must) return absl::OkStatus();
  return kernel::CanForward(
      kernel::BuildRuleset(
          MakePlan(live, [&](const std::string& route) { return EndpointsOf(live, route); })),
      keeps(), takes_over ? inherited_.table->port() : 0);
}

absl::Status KernelForwarding::TakeOver(absl::Span<const uint8_t> last_words) {
  awaits_ = false;
  absl::Status status;
  if (inherited_.table != nullptr) {
    // Without them flows are found all the same; some that are over are told of twice.
    auto flows = DecodeFlows(last_words);
    if (flows.ok()) inherited_.flows.flows = *std::move(flows);
    const kernel::Plan plan = PlanNow();
    status = Start(plan, std::exchange(inherited_, {}));
    TellOfSettings();
  } else if (wanted_) {
    status = Start(PlanNow());
  }
  Watch(nullptr);
  if (!wanted_) end_engine_.ArmAfter(absl::ZeroDuration());
  return status;
}

// ---- The end.

void KernelForwarding::OnEmpty() {
  if (on_drained_) {
    std::exchange(on_drained_, nullptr)();
  } else if (!wanted_) {
    end_engine_.ArmAfter(absl::ZeroDuration());  // which is what calls
  }
}

void KernelForwarding::EndEngine() {
  if (engine_ != nullptr) engine_->CatchUp();
  if (wanted_ || connections_.size() > 0 || engine_ == nullptr) return;
  RemoveTable();
  DropEngine();
}

void KernelForwarding::RemoveTable() {
  if (const absl::Status status = engine_->Remove(); !status.ok()) OnTrouble(status);
}

void KernelForwarding::DropEngine() {
  look_.Cancel();
  ejection_ends_.Cancel();
  engine_.reset();
  diagnosis_.reset();
}

void KernelForwarding::StopTaking() {
  if (engine_ != nullptr && !goes_on()) engine_->StopTaking();
}

void KernelForwarding::Drain(absl::AnyInvocable<void()> on_empty) {
  // What has begun and is not read yet counts, too.
  if (engine_ != nullptr && !goes_on()) engine_->Refresh();
  if (engine_ == nullptr || goes_on() || connections_.size() == 0) return on_empty();
  on_drained_ = std::move(on_empty);
}

void KernelForwarding::EndAll(TerminationReason reason) {
  if (engine_ == nullptr || goes_on()) return;
  ending_ = reason;
  engine_->CatchUp();
  engine_->End([](const kernel::Flow&) { return true; }, reason);
}

void KernelForwarding::CutAll(TerminationReason reason) {
  EndAll(reason);
  if (engine_ != nullptr && !goes_on()) connections_.CutAll(reason);
}

void KernelForwarding::Leave() {
  if (engine_ != nullptr && goes_on()) {
    LogEvent(LogLevel::kInfo, "kernel_table_kept")
        .Text("table", settings_.table)
        .Number("connections", static_cast<int64_t>(connections_.size()))
        .Text("message", "the kernel keeps forwarding by it");
  }
  connections_.Forget();
  if (engine_ != nullptr && !wanted_) RemoveTable();  // no route has it any more
  DropEngine();                                       // else it is removed, or kept
  connections_.FinishLog();
}

// ---- For operators.

Worker::Snapshot KernelForwarding::Take() const {
  Worker::Snapshot snapshot;
  snapshot.live.records = static_cast<int64_t>(connections_.size());
  snapshot.stats = connections_.termination_stats();
  return snapshot;
}

std::vector<uint64_t> KernelForwarding::NextIds(uint64_t after, size_t most,
                                                const ConnectionFilter& filter) {
  if (engine_ != nullptr) engine_->CatchUp();
  return connections_.NextIds(after, most, filter);
}

void KernelForwarding::Refresh() {
  if (engine_ == nullptr) return;
  if (loop_->now() - refreshed_at_ >= kFresh) {
    refreshed_at_ = loop_->now();
    engine_->Refresh();
  } else {
    engine_->CatchUp();
  }
  connections_.CountBytes(engine_->flows());
}

Worker::Snapshot KernelForwarding::List(const IdRange& range, const ConnectionFilter& filter) {
  Refresh();
  Worker::Snapshot snapshot = Take();
  snapshot.records = connections_.List(range, filter);
  return snapshot;
}

}  // namespace tlsbridge
