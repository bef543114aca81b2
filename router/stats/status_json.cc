#include "router/stats/status_json.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "router/config/version.h"
#include "router/live/renewal/dated_files.h"
#include "router/log/log.h"
#include "router/stats/json_writer.h"
#include "router/stats/process_facts.h"
#include "router/stats/routes_json.h"
#include "router/stats/troubles.h"

namespace tlsbridge {
namespace {

constexpr TerminationReason kLimits[] = {
    TerminationReason::kGlobalLimit,     TerminationReason::kFdLimit,
    TerminationReason::kIpLimit,         TerminationReason::kRateLimit,
    TerminationReason::kRouteLimit,      TerminationReason::kHandshakeLimit,
    TerminationReason::kIpHandshakeLimit};

void WriteProcess(const Service& service, JsonWriter* out) {
  out->Key("version").Text(kVersion);
  out->Key("pid").Number(int64_t{getpid()});
  out->Key("generation").Number(service.generation);
  out->Key("draining_generations").BeginArray();
  for (const auto& [generation, pid] : service.draining) {
    out->BeginObject();
    out->Key("generation").Number(generation).Key("pid").Number(pid);
    out->EndObject();
  }
  out->EndArray();
  out->Key("started").Time(service.started);
  out->Key("time").Time(service.wall);
  out->Key("uptime_seconds").Number(absl::ToDoubleSeconds(service.wall - service.started));
  out->Key("phase").Text(service.phase);
  out->Key("phase_since").Time(service.phase_since);
}

void WriteTroubles(const std::vector<Trouble>& troubles, JsonWriter* out) {
  out->Key("problems").BeginArray();
  for (const Trouble& trouble : troubles) {
    out->BeginObject();
    out->Key("kind").Text(trouble.kind).Key("subject").Text(trouble.subject);
    out->Key("since").Time(trouble.since);
    out->Key("message").Text(trouble.message).Key("hint").Text(trouble.hint);
    out->EndObject();
  }
  out->EndArray();
}

void WriteDurations(absl::string_view key, const DurationHistogram::Counts& counts,
                    JsonWriter* out) {
  out->Key(key).BeginObject();
  out->Key("count").Number(counts.count());
  out->Key("p50_seconds").Number(counts.Quantile(0.5));
  out->Key("p99_seconds").Number(counts.Quantile(0.99));
  out->EndObject();
}

// Connections that have ended, and failures among them: those that somebody may want to look into.
void WriteCounts(const RouteTotals& totals, JsonWriter* out) {
  uint64_t failures = 0;
  for (size_t i = 1; i < kTerminationReasons; ++i) {
    if (!IsOrderly(static_cast<TerminationReason>(i))) failures += totals.ended[i];
  }
  // Whoever connects and leaves is counted, and is none.
  const uint64_t probes = totals.failed[static_cast<size_t>(tls::FailureDetail::kTcpProbe)];
  out->Key("ended").Json(ReasonsJson(
      [&](TerminationReason reason) { return totals.ended[static_cast<size_t>(reason)]; }));
  out->Key("failures").Number(failures - std::min(failures, probes));
  out->Key("handshake_failures").BeginObject();
  for (size_t i = 1; i < tls::kFailureDetails; ++i) {
    if (totals.failed[i] == 0) continue;
    out->Key(tls::FailureDetailName(static_cast<tls::FailureDetail>(i))).Number(totals.failed[i]);
  }
  out->EndObject();
}

void WriteBackends(const Service& service, const LiveRoute& route, JsonWriter* out) {
  out->Key("backends").BeginArray();
  if (route.backends != nullptr) {
    for (const EndpointStatus& endpoint : route.backends->Endpoints(service.common_now)) {
      out->BeginObject();
      out->Key("name").Text(endpoint.name).Key("backend").Text(endpoint.backend);
      out->Key("state").Text(EndpointStateName(endpoint, service.common_now));
      out->Key("since").Time(service.WallOf(endpoint.since));
      out->Key("connections").Number(endpoint.connections);
      out->Key("dialled").Number(endpoint.leases);
      out->Key("failed").Number(endpoint.failures);
      out->Key("last_error");
      endpoint.last_error.empty() ? out->Null() : out->Text(endpoint.last_error);
      out->Key("last_error_at").Time(service.WallOf(endpoint.last_error_at));
      out->EndObject();
    }
  }
  out->EndArray();
}

absl::string_view ModeOf(const Route& route) {
  if (route.action == RouteAction::kBlock) return "block";
  if (route.forwarding_engine == ForwardingEngine::kNftables) return "nftables";
  switch (route.tls_mode) {
    case TlsMode::kTerminate:
      return "terminate";
    case TlsMode::kTerminateAndReencrypt:
      return "terminate-and-reencrypt";
    case TlsMode::kPassthrough:
      return "passthrough";
  }
  return "terminate";
}

void WriteRoute(const Service& service, const LiveRoute& route, JsonWriter* out) {
  const RouteTotals totals = route.state->metrics.Take();
  out->BeginObject();
  out->Key("name").Text(route.settings->name).Key("mode").Text(ModeOf(*route.settings));
  out->Key("down");
  route.tls.down.empty() ? out->Null() : out->Text(route.tls.down);
  out->Key("open").Number(route.state->admission.connections());
  out->Key("opened").Number(totals.opened);
  WriteCounts(totals, out);
  out->Key("bytes_received").Number(totals.bytes[0] + totals.ip_bytes[0]);
  out->Key("bytes_sent").Number(totals.bytes[1] + totals.ip_bytes[1]);
  WriteDurations("handshake", totals.handshake, out);
  WriteDurations("connect", totals.connect, out);
  WriteDurations("first_byte", totals.first_byte, out);
  WriteBackends(service, route, out);
  out->EndObject();
}

void WriteRoutes(const Service& service, JsonWriter* out) {
  out->Key("routes").BeginArray();
  for (const auto& route : service.live->routes()) WriteRoute(service, *route, out);
  out->EndArray();
  out->Key("unrouted").BeginObject();
  WriteCounts(service.live->unrouted()->state->metrics.Take(), out);
  out->EndObject();
}

// By their end, the first to end first.
void WriteCertificates(const Service& service, JsonWriter* out) {
  struct Dated {
    absl::string_view route;
    DatedFile file;
  };
  std::vector<Dated> all;
  for (const auto& route : service.live->routes()) {
    ForEachDatedFile(*route, service.wall, [&](const DatedFile& file) {
      all.push_back({route->settings->name, file});
    });
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Dated& a, const Dated& b) { return a.file.until < b.file.until; });
  out->Key("certificates").BeginArray();
  for (const auto& [route, file] : all) {
    out->BeginObject();
    out->Key("route").Text(route).Key("kind").Text(file.kind).Key("file").Text(file.name);
    out->Key("not_before").Time(file.from).Key("not_after").Time(file.until);
    out->Key("seconds_left").Number(absl::ToDoubleSeconds(file.until - service.wall));
    out->Key("problem");
    file.problem.empty() ? out->Null() : out->Text(file.problem);
    out->EndObject();
  }
  out->EndArray();
}

void WriteReloads(const ReloadFacts& reloads, JsonWriter* out) {
  out->Key("reloads").BeginObject();
  out->Key("taken").Number(reloads.taken).Key("refused").Number(reloads.refused);
  out->Key("last_taken").Time(reloads.last_taken);
  out->Key("refusal");
  reloads.last_refused ? out->Text(reloads.refusal) : out->Null();
  out->EndObject();
  out->Key("renewals").BeginObject();
  out->Key("taken").Number(reloads.renewals.taken);
  out->Key("refused").Number(reloads.renewals.refused);
  out->Key("last_taken").Time(reloads.last_renewal_taken);
  out->Key("files_refused").Number(uint64_t{reloads.files_refused.size()});
  out->EndObject();
}

void WriteLimits(const Service& service, JsonWriter* out) {
  const ProcessFacts facts = ProcessFacts::Read();
  const auto pair = [out](absl::string_view key, int64_t now, int64_t limit) {
    out->Key(key).BeginObject();
    out->Key("now").Number(now).Key("limit").Number(std::max<int64_t>(limit, 0));
    out->EndObject();
  };
  out->Key("limits").BeginObject();
  pair("connections", service.admission->connections(), service.admission->limit());
  pair("handshakes_waiting", service.handshake_limit->waiting(), service.handshake_limit->limit());
  pair("descriptors", static_cast<int64_t>(facts.descriptors), service.descriptors);
  pair("memory_bytes", static_cast<int64_t>(facts.resident_bytes), service.memory_bytes);
  out->Key("hits").BeginArray();
  for (const TerminationReason limit : kLimits) {
    if (service.failures == nullptr) break;
    const RecentFailures::Spell spell = service.failures->SpellOf(limit);
    if (spell.count == 0) continue;
    out->BeginObject();
    out->Key("limit").Text(TerminationReasonName(limit)).Key("count").Number(spell.count);
    out->Key("since").Time(spell.since).Key("last").Time(spell.last);
    out->EndObject();
  }
  out->EndArray();
  out->EndObject();
}

void WriteLoops(const Service& service, JsonWriter* out) {
  const auto loop = [out](absl::string_view name, int64_t connections,
                          const DurationHistogram::Counts& lag) {
    out->BeginObject();
    out->Key("name").Text(name).Key("connections").Number(connections);
    out->Key("lag_p99_seconds").Number(lag.Quantile(0.99));
    out->Key("lag_seconds_total").Number(static_cast<double>(lag.nanoseconds) / 1e9);
    out->EndObject();
  };
  out->Key("loops").BeginArray();
  for (size_t i = 0; i < service.workers.size(); ++i) {
    loop(absl::StrCat("worker ", i), service.workers[i].connections, service.workers[i].lag);
  }
  loop("control", 0, service.control_lag);
  out->EndArray();
}

}  // namespace

std::string StatusJson(const Service& service) {
  const std::vector<Trouble> troubles = FindTroubles(service);
  JsonWriter out;
  out.BeginObject();
  out.Key("verdict").Text(Verdict(service, troubles.size()));
  out.Key("ready").Flag(service.ready);
  out.Key("unready");
  service.unready.empty() ? out.Null() : out.Text(service.unready);
  WriteProcess(service, &out);
  WriteTroubles(troubles, &out);
  WriteRoutes(service, &out);
  WriteCertificates(service, &out);
  WriteReloads(service.reloads, &out);
  WriteLimits(service, &out);
  WriteLoops(service, &out);
  out.Key("log").BeginObject();
  out.Key("level").Text(service.log_level);
  out.Key("lines_lost").Number(LogLinesLost()).Key("lines_folded").Number(service.folded);
  out.EndObject();
  out.Key("last_failure")
      .Number(service.failures == nullptr ? uint64_t{0} : service.failures->last_number());
  out.EndObject();
  return out.Finish();
}

std::string FailuresJson(const RecentFailures& failures, const RecentFailures::Query& query) {
  JsonWriter out;
  out.BeginObject();
  uint64_t last = failures.last_number();  // before: what comes meanwhile is not skipped
  out.Key("failures").BeginArray();
  for (const FailedConnection& failure : failures.Take(query)) {
    last = std::max(last, failure.number);
    out.BeginObject();
    out.Key("number").Number(failure.number).Key("time").Time(failure.at);
    out.Key("written").Flag(failure.written);
    out.Key("line").Text(failure.line).Key("fields").Json(failure.fields);
    out.EndObject();
  }
  out.EndArray();
  out.Key("last").Number(last);
  out.EndObject();
  return out.Finish();
}

}  // namespace tlsbridge
