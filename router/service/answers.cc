#include "router/service/answers.h"

#include <stddef.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/live/renewal/renewal_log.h"
#include "router/log/log.h"
#include "router/stats/route_stats.h"

namespace tlsbridge {
namespace {

std::string LiveJson(const Worker::Snapshot& s) {
  return absl::StrCat("{\"records\":", s.live.records, ",\"sockets\":", s.live.sockets,
                      ",\"timers\":", s.timers, ",\"queued_bytes\":", s.queued_bytes,
                      ",\"handshakes_waiting\":", s.handshakes_waiting, "}");
}

}  // namespace

Answers::Answers(EventLoop* loop, const Lifecycle* lifecycle, const Reloads* reloads,
                 absl::Span<const std::unique_ptr<Worker>> workers)
    : loop_(loop), lifecycle_(lifecycle), reloads_(reloads), workers_(workers) {}

// `done` runs here when the last one has answered, with the sum.
void Answers::AskWorkers(Worker::Detail detail,
                         absl::AnyInvocable<void(const Worker::Snapshot&)> done) {
  struct Sum {
    Worker::Snapshot all;
    size_t missing;
    absl::AnyInvocable<void(const Worker::Snapshot&)> done;
  };
  auto sum = std::make_shared<Sum>();
  sum->missing = workers_.size();
  sum->done = std::move(done);
  for (auto& worker : workers_) {
    worker->Report(detail, [loop = loop_, sum](Worker::Snapshot snapshot) {
      loop->Post([sum, snapshot = std::move(snapshot)] {
        sum->all.Add(snapshot);
        if (--sum->missing == 0) sum->done(sum->all);
      });
    });
  }
}

std::string Answers::unready() const {
  constexpr size_t kMostNames = 10;
  if (!accepting()) return "draining";
  std::vector<std::string> down = reloads_->live().Down();
  if (down.empty()) return "";
  const size_t more = down.size() - std::min(down.size(), kMostNames);
  down.resize(down.size() - more);
  return absl::StrCat("routes that are down: ", absl::StrJoin(down, ", "),
                      more == 0 ? "" : absl::StrCat(" and ", more, " more"));
}

void Answers::ConnectionsJson(OnJson done) {
  AskWorkers(Worker::Detail::kRecords, [done = std::move(done)](const auto& all) mutable {
    done(absl::StrCat("{\"live\":", LiveJson(all), ",\"records\":[", all.records, "]}"));
  });
}

void Answers::RoutesJson(OnJson done) {
  AskWorkers(Worker::Detail::kRoutes, [this, done = std::move(done)](const auto& all) mutable {
    done(all.routes.ToJson(reloads_->live(), loop_->common_now()));
  });
}

void Answers::CertificatesJson(OnJson done) {
  done(tlsbridge::CertificatesJson(reloads_->live(), loop_->clock().Wall()));
}

void Answers::LogConnections() {
  ConnectionsJson([](const std::string& json) { LogEvent(LogLevel::kInfo, "dump").Members(json); });
}

void Answers::LogSummary() const {
  Worker::Snapshot all;
  for (const auto& worker : workers_) all.Add(worker->FinalSnapshot());
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
