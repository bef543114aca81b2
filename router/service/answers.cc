#include "router/service/answers.h"

#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/live/renewal/renewal_log.h"
#include "router/log/log.h"
#include "router/stats/metrics_text.h"
#include "router/stats/routes_json.h"
#include "router/stats/status_json.h"
#include "router/stats/troubles.h"

namespace tlsbridge {
namespace {

std::string LiveJson(const Worker::Snapshot& s) {
  return absl::StrCat("{\"records\":", s.live.records, ",\"sockets\":", s.live.sockets,
                      ",\"timers\":", s.timers, ",\"queued_bytes\":", s.queued_bytes,
                      ",\"handshakes_waiting\":", s.handshakes_waiting, "}");
}

// Asks each worker, adds up on `loop` what they say to `sum`, and calls `done` there with all.
template <typename Sum, typename Answer>
void Gather(EventLoop* loop, absl::Span<const std::unique_ptr<Worker>> workers,
            absl::FunctionRef<void(Worker&, absl::AnyInvocable<void(Answer)>)> ask,
            void (*add)(Sum*, const Answer&), Sum sum, absl::AnyInvocable<void(Sum)> done) {
  struct Progress {
    Sum sum;
    size_t missing;
    absl::AnyInvocable<void(Sum)> done;
  };
  auto progress = std::make_shared<Progress>();
  progress->sum = std::move(sum);
  progress->missing = workers.size();
  progress->done = std::move(done);
  for (const auto& worker : workers) {
    ask(*worker, [loop, add, progress](Answer answer) {
      loop->Post([add, progress, answer = std::move(answer)] {
        add(&progress->sum, answer);
        if (--progress->missing == 0) progress->done(std::move(progress->sum));
      });
    });
  }
}

void AddSnapshot(Worker::Snapshot* sum, const Worker::Snapshot& snapshot) { sum->Add(snapshot); }

void AddIds(std::vector<uint64_t>* sum, const std::vector<uint64_t>& ids) {
  sum->insert(sum->end(), ids.begin(), ids.end());
}

void AddEnded(std::vector<RecentEnds::Found>* sum, const std::vector<RecentEnds::Found>& found) {
  sum->insert(sum->end(), found.begin(), found.end());
}

}  // namespace

Answers::Answers(const Parts& parts)
    : parts_(parts),
      started_(parts.loop->clock().Wall()),
      check_timer_(
          parts.loop, [this] { CheckLog(); }, Timer::Of::kService) {}

void Answers::ConnectionsJson(const ConnectionPage& page, OnText done) {
  const auto ask_ids = [page](Worker& worker, auto receiver) {
    worker.ReportIds(page.after, page.limit + 1, page.filter, std::move(receiver));
  };
  Gather<std::vector<uint64_t>, std::vector<uint64_t>>(
      parts_.loop, parts_.workers, ask_ids, &AddIds,
      parts_.kernel->NextIds(page.after, page.limit + 1, page.filter),
      [this, page, done = std::move(done)](std::vector<uint64_t> ids) mutable {
        std::sort(ids.begin(), ids.end());
        const bool more = ids.size() > page.limit;
        if (more) ids.resize(page.limit);
        ListConnections(page, ids.empty() ? page.after : ids.back(), more, std::move(done));
      });
}

std::string Answers::unready() const {
  constexpr size_t kMostNames = 10;
  if (!accepting()) return "draining";
  std::vector<std::string> down = parts_.reloads->live().Down();
  if (down.empty()) return "";
  const size_t more = down.size() - std::min(down.size(), kMostNames);
  down.resize(down.size() - more);
  return absl::StrCat("routes that are down: ", absl::StrJoin(down, ", "),
                      more == 0 ? "" : absl::StrCat(" and ", more, " more"));
}

void Answers::ListConnections(const ConnectionPage& page, uint64_t until, bool more, OnText done) {
  const IdRange range = {.after = page.after, .until = until};
  const auto ask = [&range, &page](Worker& worker, auto receiver) {
    worker.ListConnections(range, page.filter, std::move(receiver));
  };
  Gather<Worker::Snapshot, Worker::Snapshot>(
      parts_.loop, parts_.workers, ask, &AddSnapshot, parts_.kernel->List(range, page.filter),
      [until, more, done = std::move(done)](const Worker::Snapshot& all) mutable {
        const std::string next = more ? absl::StrCat(",\"next\":", until) : "";
        done(absl::StrCat("{\"live\":", LiveJson(all), ",\"records\":[", all.records, "]", next,
                          "}"));
      });
}

void Answers::RoutesJson(OnText done) {
  parts_.kernel->Refresh();
  done(tlsbridge::RoutesJson(parts_.reloads->live(), parts_.loop->common_now()));
}

Service Answers::Describe() {
  parts_.kernel->Refresh();
  CheckLog();
  const std::string why = unready();
  Service service = {.live = &parts_.reloads->live(),
                     .admission = parts_.admission,
                     .handshake_limit = parts_.handshake_limit,
                     .failures = &parts_.folder->recent(),
                     .started = started_,
                     .wall = parts_.loop->clock().Wall(),
                     .common_now = parts_.loop->common_now(),
                     .reloads = parts_.reloads->facts(),
                     .ready = why.empty(),
                     .unready = why,
                     .phase = PhaseName(parts_.lifecycle->phase()),
                     .phase_since = parts_.lifecycle->phase_since(),
                     .descriptors = parts_.budget.descriptors,
                     .memory_bytes = parts_.budget.memory_bytes,
                     .folded = parts_.folder->folded(),
                     .lines_lost_at = lines_lost_at_,
                     .log_level = LogLevelName(CurrentLogLevel())};
  service.generation = parts_.generations->number();
  for (const auto& before : parts_.generations->draining()) {
    service.draining.emplace_back(before.number, before.pid);
  }
  for (const auto& worker : parts_.workers) {
    service.workers.push_back({worker->load(), worker->loop()->lag().Take()});
  }
  service.control_lag = parts_.loop->lag().Take();
  return service;
}

// Whether lines have been lost since it last looked. It looks by itself once it has been asked.
void Answers::CheckLog() {
  constexpr absl::Duration kCheckEvery = absl::Seconds(10);
  const uint64_t lost = LogLinesLost();
  if (lost > std::exchange(lines_lost_, lost)) lines_lost_at_ = parts_.loop->clock().Wall();
  if (!check_timer_.armed()) check_timer_.ArmAfter(kCheckEvery);
}

void Answers::Metrics(Exposition::Format format, OnText done) {
  done(MetricsText(format, Describe()));
}

void Answers::StatusJson(OnText done) { done(tlsbridge::StatusJson(Describe())); }

std::string Answers::StatusLine() {
  const Service service = Describe();
  const int64_t open =
      parts_.admission->connections() + static_cast<int64_t>(parts_.kernel->open());
  const size_t routes = service.live->routes().size();
  std::string line = absl::StrCat(Verdict(service, FindTroubles(service).size()), ". ", open,
                                  open == 1 ? " connection, " : " connections, ", routes,
                                  routes == 1 ? " route" : " routes");
  std::replace_if(line.begin(), line.end(), absl::ascii_iscntrl, '?');
  return line;
}

void Answers::FailuresJson(const RecentFailures::Query& query, OnText done) {
  done(tlsbridge::FailuresJson(parts_.folder->recent(), query));
}

void Answers::EndedJson(const RecentEnds::Query& query, OnText done) {
  using Found = std::vector<RecentEnds::Found>;
  const auto ask = [&query](Worker& worker, auto receiver) {
    worker.FindEnded(query, std::move(receiver));
  };
  Gather<Found, Found>(
      parts_.loop, parts_.workers, ask, &AddEnded, parts_.kernel->FindEnded(query),
      [limit = query.limit, done = std::move(done)](Found found) mutable {
        std::sort(found.begin(), found.end(),
                  [](const auto& one, const auto& other) { return one.at < other.at; });
        const size_t more = found.size() - std::min(found.size(), limit);
        found.erase(found.begin(), found.begin() + static_cast<ptrdiff_t>(more));
        done(absl::StrCat("{\"ended\":[",
                          absl::StrJoin(found, ",",
                                        [](std::string* out, const RecentEnds::Found& one) {
                                          out->append(one.json);
                                        }),
                          "]}"));
      });
}

bool Answers::Drain() {
  if (!accepting()) return false;
  LogEvent(LogLevel::kInfo, "drain_requested").Text("message", "graceful stop, as on SIGTERM");
  parts_.lifecycle->Terminate(parts_.reloads->config().shutdown);
  return true;
}

void Answers::Upgrade(absl::AnyInvocable<void(bool ok, std::string text)> done) {
  if (!on_upgrade_) return done(false, "this process cannot be replaced by a hot restart");
  on_upgrade_(std::move(done));
}

bool Answers::SetLevel(LogLevel level) {
  const LogLevel before = CurrentLogLevel();
  if (!SetLogLevel(std::min(level, before))) return false;
  LogEvent(LogLevel::kWarning, "log_level")
      .Text("set_to", LogLevelName(level))
      .Text("was", LogLevelName(before));
  return SetLogLevel(level);
}

void Answers::CertificatesJson(OnText done) {
  done(tlsbridge::CertificatesJson(parts_.reloads->live(), parts_.loop->clock().Wall()));
}

void Answers::LogConnections() {
  if (std::exchange(logging_, true)) return;
  ConnectionsJson({}, [this](const std::string& json) {
    logging_ = false;
    LogEvent(LogLevel::kInfo, "dump").Members(json);
  });
}

void Answers::LogSummary() const {
  Worker::Snapshot all = parts_.kernel->Take();
  for (const auto& worker : parts_.workers) all.Add(worker->FinalSnapshot());
  const TerminationStats& stats = all.stats;
  LogEvent(LogLevel::kInfo, "summary")
      .Json("live", LiveJson(all))
      .Json("reasons", ReasonsJson([&stats](auto reason) { return stats.connections(reason); }))
      .Json("incoming",
            ReasonsJson([&stats](auto reason) { return stats.side(Side::kIncoming, reason); }))
      .Json("outgoing",
            ReasonsJson([&stats](auto reason) { return stats.side(Side::kOutgoing, reason); }));
}

}  // namespace tlsbridge
