#include "router/kernel/kernel_engine.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "router/kernel/build_ruleset.h"

namespace tlsbridge::kernel {
namespace {

// In one turn of the loop; what is left makes it turn again.
constexpr int kDatagramsATurn = 256;
// Where somebody waits for what they say: all that there is, unless it is a flood.
constexpr int kDatagramsOfACatch = 1 << 14;

absl::Duration ShortestConnectTimeout(const Plan& plan) {
  absl::Duration shortest = absl::Hours(1);
  for (const Route& route : plan.routes) {
    if (route.timeouts.connect > absl::ZeroDuration()) {
      shortest = std::min(shortest, route.timeouts.connect);
    }
  }
  return shortest;
}

// The kernel notices that a flow has timed out when somebody asks for it, or in a minute or so.
absl::Duration ReconcileEvery(const Plan& plan, absl::Duration longest) {
  constexpr absl::Duration kShortest = absl::Seconds(2);
  absl::Duration every = longest;
  for (const Route& route : plan.routes) {
    for (const absl::Duration timeout : {route.timeouts.inactivity, route.timeouts.half_close}) {
      if (timeout > absl::ZeroDuration()) every = std::min(every, timeout);
    }
  }
  return std::max(every, std::min(kShortest, longest));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelEngine>> KernelEngine::Start(Source* source, Options options,
                                                                  EventLoop* loop,
                                                                  Observer* observer,
                                                                  Inherited inherited) {
  Plan plan = source->PlanNow();
  std::unique_ptr<KernelEngine> engine(new KernelEngine(source, options, loop, observer));
  if (absl::Status status = engine->Open(plan, std::move(inherited)); !status.ok()) return status;
  engine->SetPlan(std::move(plan));
  return engine;
}

KernelEngine::KernelEngine(Source* source, Options options, EventLoop* loop, Observer* observer)
    : source_(source),
      options_(options),
      loop_(loop),
      observer_(observer),
      index_(plan_),
      settling_(
          loop, [this] { ChangeNow(); }, Timer::Of::kService),
      gathering_(
          loop, [this] { ReadEvents(); }, Timer::Of::kService),
      look_(
          loop, [this] { Look(); }, Timer::Of::kService) {}

absl::Status KernelEngine::Open(const Plan& plan, Inherited inherited) {
  owner_ = std::make_shared<FlowOwner>(plan);
  auto watcher = FlowWatcher::Create(
      [owner = owner_](const auto& original, const auto& reply) {
        return owner->Find(original, reply);
      },
      [this](const FlowEvent& event) { observer_->OnFlow(event); }, &loop_->clock(), {},
      std::move(inherited.flows));
  if (!watcher.ok()) return watcher.status();
  watcher_ = *std::move(watcher);
  // Before the table, so that no flow begins unseen.
  events_ = std::make_unique<FdEvent>(loop_, watcher_->fd(), [this] { OnEvents(); });
  if (const int error = events_->Enable(); error != 0) {
    return KernelError(error, "watching netfilter");
  }
  const bool takes_over = inherited.table != nullptr;
  auto table = takes_over ? KernelTable::TakeOver(std::move(inherited.table), BuildRuleset(plan),
                                                  {.keep = options_.keep})
                          : KernelTable::Create(BuildRuleset(plan), {.keep = options_.keep});
  if (!table.ok()) return table.status();
  table_ = *std::move(table);
  if (takes_over) gathering_.ArmAfter(absl::ZeroDuration());
  reconciled_at_ = absl::InfinitePast();  // so that flows of a table that was taken over are found
  look_.ArmAfter(options_.look_every);
  return absl::OkStatus();
}

absl::Status KernelEngine::Prepare(const Plan& plan) { return table_->Check(BuildRuleset(plan)); }

absl::Status KernelEngine::Commit() {
  changed_.clear();
  absl::Status status = Change(source_->PlanNow());
  is_behind_ = !status.ok();
  if (status.ok()) Tell(status, &table_trouble_told_);
  return status;
}

absl::Status KernelEngine::Change(Plan plan) {
  if (absl::Status status = table_->Apply(BuildRuleset(plan)); !status.ok()) return status;
  SetOwner(plan);
  SetPlan(std::move(plan));
  return absl::OkStatus();
}

absl::Status KernelEngine::ChangeRoutes(const std::set<std::string>& names) {
  std::vector<Route> routes;
  for (const std::string& name : names) {
    if (std::optional<Route> route = source_->RouteNow(name)) routes.push_back(*std::move(route));
  }
  const auto change = FindChange(plan_, index_, routes);
  if (!change) return Change(source_->PlanNow());
  if (absl::Status status = table_->Apply(*change); !status.ok()) return status;
  for (Route& route : routes) plan_.routes[*index_.Find(route.name)] = std::move(route);
  return absl::OkStatus();
}

void KernelEngine::SetPlan(Plan plan) {
  index_ = PlanIndex(plan);
  is_urgent_ = std::any_of(plan.routes.begin(), plan.routes.end(),
                           [](const Route& route) { return route.limits != Limits(); });
  plan_ = std::move(plan);
}

void KernelEngine::SetOwner(const Plan& plan) {
  // News of what was forwarded by the plan before may not have been read yet.
  auto before = std::exchange(owner_, std::make_shared<FlowOwner>(plan));
  watcher_->table().SetOwner(
      [now = owner_, before = std::move(before)](const auto& original, const auto& reply) {
        auto route = now->Find(original, reply);
        return route ? route : before->Find(original, reply);
      });
}

void KernelEngine::BackendsChanged(const std::set<std::string>& routes) {
  if (stopped_ || paused_) return;
  if (changed_.empty()) settling_.ArmAfter(options_.settle);
  changed_.insert(routes.begin(), routes.end());
}

void KernelEngine::ChangeNow() {
  const std::set<std::string> changed = std::exchange(changed_, {});
  absl::Status status;
  if (!stopped_ && !is_behind_) {
    status = ChangeRoutes(changed);
  } else {
    Plan plan = source_->PlanNow();
    if (stopped_) {
      for (Route& route : plan.routes) {
        for (Backend& backend : route.backends) backend.serving = false;
      }
    }
    status = Change(std::move(plan));
  }
  is_behind_ = !status.ok();
  Tell(status, &table_trouble_told_);
}

void KernelEngine::StopTaking() {
  stopped_ = true;
  if (!paused_) ChangeNow();
}

void KernelEngine::Pause() {
  CatchUp();
  paused_ = true;
  settling_.Cancel();
  gathering_.Cancel();
  look_.Cancel();
  events_->Disable();
}

void KernelEngine::Resume() {
  if (!std::exchange(paused_, false)) return;
  table_->Distrust();
  watcher_->Distrust();
  is_behind_ = true;  // of what changed meanwhile nobody kept count
  ChangeNow();
  look_.ArmAfter(options_.look_every);
  gathering_.ArmAfter(absl::ZeroDuration());
}

size_t KernelEngine::End(const std::function<bool(const Flow&)>& is_wanted,
                         TerminationReason reason) {
  size_t ended = 0;
  if (paused_) return ended;
  for (const Flow& flow : watcher_->table().Snapshot()) {
    if (is_wanted(flow) && watcher_->Remove(flow.id, reason).ok()) ++ended;
  }
  return ended;
}

bool KernelEngine::EndOne(uint32_t flow, TerminationReason reason) {
  return !paused_ && watcher_->Remove(flow, reason).ok();
}

void KernelEngine::CatchUp() {
  if (paused_) return;
  Tell(watcher_->Read(kDatagramsOfACatch).status(), &watch_trouble_told_);
}

void KernelEngine::Refresh() {
  if (paused_) return;
  reconciled_at_ = loop_->now();
  Tell(watcher_->Reconcile(), &watch_trouble_told_);
}

void KernelEngine::OnEvents() {
  if (is_urgent_) return ReadEvents();
  events_->Disable();
  gathering_.ArmAfter(options_.gather);
}

void KernelEngine::ReadEvents() {
  const absl::StatusOr<bool> more = watcher_->Read(kDatagramsATurn);
  Tell(more.status(), &watch_trouble_told_);
  if (!more.ok()) {
    gathering_.ArmAfter(options_.look_every);
  } else if (*more) {
    gathering_.ArmAfter(absl::ZeroDuration());
  } else if (events_->Enable() != 0) {
    gathering_.ArmAfter(options_.gather);
  }
}

void KernelEngine::Look() {
  look_.ArmAfter(options_.look_every);
  if (is_behind_) ChangeNow();
  watcher_->AskForOpening(ShortestConnectTimeout(plan_));
  if (loop_->now() - reconciled_at_ >= ReconcileEvery(plan_, options_.reconcile_every)) Refresh();
}

void KernelEngine::Tell(const absl::Status& status, bool* is_told) {
  if (std::exchange(*is_told, !status.ok()) != *is_told) observer_->OnTrouble(status);
}

}  // namespace tlsbridge::kernel
