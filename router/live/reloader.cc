#include "router/live/reloader.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

// The keys whose values differ, as the file has them: "(limits,timeouts)".
std::string Differences(const Route& before, const Route& after) {
  std::vector<absl::string_view> keys;
  const auto look = [&](absl::string_view key, auto... members) {
    if (((before.*members == after.*members) && ...)) return;
    keys.push_back(key);
  };
  look("priority", &Route::priority);
  look("match", &Route::match);
  look("deny_ip", &Route::deny_ip);
  look("allow_ip", &Route::allow_ip);
  look("action", &Route::action, &Route::block_with_alert);
  look("tls", &Route::tls_mode, &Route::tls);
  look("backends", &Route::backends, &Route::unsafe_backend);
  look("balance", &Route::balance);
  look("health_check", &Route::health);
  look("ejection", &Route::ejection);
  look("slow_start", &Route::slow_start);
  look("dns", &Route::dns);
  look("backend_tls", &Route::backend_tls);
  look("send_proxy_protocol", &Route::send_proxy);
  look("timeouts", &Route::timeouts);
  look("keep_alive", &Route::keep_alive);
  look("limits", &Route::limits);
  const BridgeOptions& was = before.bridge;
  const BridgeOptions& is = after.bridge;
  if (!(was.tcp == is.tcp)) keys.emplace_back("tcp");
  if (was.grace != is.grace) keys.emplace_back("close_grace");
  if (was.accept_truncation != is.accept_truncation) keys.emplace_back("tls.truncation");
  if (was.accept_backend_truncation != is.accept_backend_truncation) {
    keys.emplace_back("backend_tls.truncation");
  }
  return absl::StrCat("(", absl::StrJoin(keys, ","), ")");
}

std::string Differences(const Listener&, const Listener&) { return ""; }

template <typename Item, typename Name>
void Compare(const std::vector<Item>& before, const std::vector<Item>& after, Name name,
             std::vector<std::string>* changes) {
  std::map<std::string, const Item*> old;
  for (const Item& item : before) old.emplace(name(item), &item);
  std::map<std::string, std::string> found;
  for (const Item& item : after) {
    const std::string key = name(item);
    const auto it = old.find(key);
    if (it == old.end()) {
      found[key] = absl::StrCat("+", key);
    } else {
      if (!(*it->second == item))
        found[key] = absl::StrCat("~", key, Differences(*it->second, item));
      old.erase(it);
    }
  }
  for (const auto& [gone, item] : old) found[gone] = absl::StrCat("-", gone);
  for (const auto& [key, change] : found) changes->push_back(change);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reloader>> Reloader::Create(EventLoop* loop, Source source,
                                                           std::vector<std::string> source_files,
                                                           uint64_t source_fingerprint,
                                                           Receiver receiver) {
  auto workshop = std::make_shared<Workshop>(std::move(source), std::move(source_files),
                                             source_fingerprint, &loop->clock());
  std::unique_ptr<Reloader> reloader(new Reloader(loop, std::move(receiver), workshop));
  auto thread = Thread::Start(
      "reloads", [workshop, loop, self = reloader.get()] { workshop->Run(loop, self); });
  if (!thread.ok()) return thread.status();
  reloader->thread_ = *std::move(thread);
  return reloader;
}

void Reloader::Stop(absl::Duration patience) {
  {
    const MutexLock lock(workshop_->mutex);
    workshop_->ending = true;
  }
  workshop_->changed.NotifyOne();
  if (thread_.JoinOrLeave(patience)) return;
  LogEvent(LogLevel::kWarning, "reload_abandoned")
      .Text("source", workshop_->note->ToString())
      .Text("message", "neither completed nor could be cancelled; exiting without it");
}

void Reloader::Start(std::shared_ptr<const LiveConfig> current, Cause cause) {
  if (at_work_) {
    again_ = std::max(again_.value_or(cause), cause);
    if (cause == Cause::kAsked && loop_->now() - began_at_ >= kLong) {
      LogEvent(LogLevel::kWarning, "reload_waits")
          .Text("source", workshop_->note->ToString())
          .Milliseconds("for_ms", loop_->now() - began_at_)
          .Text("message", "still being read; the current configuration is served meanwhile");
    }
    return;
  }
  at_work_ = true;
  began_at_ = loop_->now();
  {
    const MutexLock lock(workshop_->mutex);
    workshop_->job = Job{std::move(current), cause};
  }
  workshop_->changed.NotifyOne();
}

void Reloader::Workshop::Run(EventLoop* loop, Reloader* reloader) {
  ReadingNote::KeepIn(note);
  while (const std::optional<Job> taken = NextJob()) {
    Outcome outcome = Work(*taken);
    const MutexLock lock(mutex);
    if (ending) return;
    loop->Post([reloader, outcome = std::move(outcome)] { reloader->Finish(outcome); });
  }
}

std::optional<Reloader::Job> Reloader::Workshop::NextJob() {
  const MutexLock lock(mutex);
  while (!ending && !job.has_value()) changed.Wait(mutex);
  return ending ? std::nullopt : std::exchange(job, std::nullopt);
}

Reloader::Outcome Reloader::Workshop::Work(const Job& job) {
  Outcome outcome;
  outcome.asked = job.cause == Cause::kAsked;
  ReadingNote::Note(source_files);
  // What was refused may be good by now: a file that it names has come, an address is free.
  outcome.reloaded = outcome.asked || refused || FingerprintOf(source_files) != source_fingerprint;
  outcome.renewed = LiveConfig::Renew(job.current, clock);
  if (outcome.reloaded) {
    outcome.live = AskSource(job.current.get());
  } else {
    outcome.live = outcome.renewed;
  }
  // Both, since it is not known yet which will be served.
  outcome.watch = PlanFor(*outcome.renewed);
  if (outcome.live.ok()) {
    for (const auto& [folder, names] : PlanFor(**outcome.live)) {
      outcome.watch[folder].insert(names.begin(), names.end());
    }
  }
  return outcome;
}

// Again, if its files change meanwhile: the beginning of one may look like a whole.
Reloader::Result Reloader::Workshop::AskSource(const LiveConfig* current) {
  constexpr int kAttempts = 5;
  Result result = absl::UnavailableError("");
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ReadingNote::Note(source_files);
    source_fingerprint = FingerprintOf(source_files);
    result = source(current, clock);
    if (FingerprintOf(source_files) == source_fingerprint) return result;
  }
  return absl::UnavailableError(
      absl::StrCat(absl::StrJoin(source_files, ", "), ": kept changing while being read"));
}

void Reloader::Finish(const Outcome& outcome) {
  std::shared_ptr<const LiveConfig> current = receiver_(outcome);
  if (outcome.reloaded) workshop_->refused = !outcome.live.ok() || current != *outcome.live;
  at_work_ = false;
  if (const auto cause = std::exchange(again_, std::nullopt)) Start(std::move(current), *cause);
}

WatchPlan Reloader::PlanFor(const LiveConfig& live) const { return workshop_->PlanFor(live); }

WatchPlan Reloader::Workshop::PlanFor(const LiveConfig& live) const {
  std::vector<std::string> paths = source_files;
  for (const auto& route : live.routes()) {
    if (!route->tls.down.empty()) {
      const std::vector<std::string> files = FilesOf(*route->settings);
      paths.insert(paths.end(), files.begin(), files.end());
    }
    ForEachFileSet(route->tls.files, [&paths](const FileSetState& set) {
      if (!set.once) paths.insert(paths.end(), set.paths.begin(), set.paths.end());
    });
  }
  return PlanWatches(paths);
}

std::string DescribeChanges(const Config& before, const Config& after) {
  std::vector<std::string> changes;
  Compare(
      before.listeners, after.listeners, [](const Listener& l) { return l.address.ToString(); },
      &changes);
  Compare(
      before.routes, after.routes, [](const Route& r) { return r.name; }, &changes);
  if (!(before.limits == after.limits)) changes.emplace_back("~limits");
  if (!(before.shutdown == after.shutdown)) changes.emplace_back("~shutdown");
  if (before.admin != after.admin || before.metrics != after.metrics)
    changes.emplace_back("~admin");
  if (before.workers != after.workers) changes.emplace_back("~workers");
  if (!(before.log == after.log)) changes.emplace_back("~log");
  constexpr size_t kMost = 100;
  if (changes.size() > kMost) {
    const size_t more = changes.size() - kMost;
    changes.resize(kMost);
    changes.push_back(absl::StrCat("and ", more, " more"));
  }
  return absl::StrJoin(changes, " ");
}

}  // namespace tlsbridge
