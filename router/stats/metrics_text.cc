#include "router/stats/metrics_text.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "router/config/version.h"
#include "router/live/renewal/dated_files.h"
#include "router/log/log.h"
#include "router/stats/process_facts.h"
#include "router/stats/route_series.h"

namespace tlsbridge {
namespace {

using Type = Exposition::Type;

double Unix(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

void WriteProgram(const Service& service, Exposition* out) {
  out->Begin("tlsbridge_build_info", Type::kGauge,
             "The program's version; always 1. The generation counts hot restarts.");
  out->Sample({{"version", kVersion}, {"generation", absl::StrCat(service.generation)}},
              uint64_t{1});
  out->Begin("tlsbridge_ready", Type::kGauge,
             "Whether clients are accepted and every route is served: what /ready says.");
  out->Sample({}, uint64_t{service.ready ? 1u : 0u});
  out->Begin("tlsbridge_connections_limit", Type::kGauge,
             "Maximum of connections at a time, by configuration or by what the machine has.");
  out->Sample({}, static_cast<uint64_t>(std::max<int64_t>(service.admission->limit(), 0)));
  out->Begin("tlsbridge_connections_admitted", Type::kGauge,
             "Connections that count against that maximum now.");
  out->Sample({}, static_cast<uint64_t>(service.admission->connections()));
  out->Begin("tlsbridge_handshakes_waiting", Type::kGauge,
             "Handshakes that are queued or wait for a signature.");
  out->Sample({}, static_cast<uint64_t>(service.handshake_limit->waiting()));
  out->Begin("tlsbridge_handshakes_waiting_limit", Type::kGauge,
             "Maximum of those: further ones are refused (handshake_limit).");
  out->Sample({}, static_cast<uint64_t>(service.handshake_limit->limit()));
  out->Begin("tlsbridge_worker_connections", Type::kGauge, "Connections of each worker.");
  for (size_t i = 0; i < service.workers.size(); ++i) {
    out->Sample({{"worker", absl::StrCat(i)}},
                static_cast<uint64_t>(service.workers[i].connections));
  }
  out->Begin("tlsbridge_loop_lag_seconds", Type::kHistogram,
             "Event loop lag: how much later than planned a loop came round, because it was busy.");
  for (size_t i = 0; i < service.workers.size(); ++i) {
    out->Sample({{"loop", absl::StrCat("worker ", i)}}, service.workers[i].lag);
  }
  out->Sample({{"loop", "control"}}, service.control_lag);
  out->Begin("tlsbridge_descriptors_budget", Type::kGauge,
             "File descriptors that the limit of connections was computed from.");
  out->Sample({}, static_cast<uint64_t>(service.descriptors));
  out->Begin("tlsbridge_memory_budget_bytes", Type::kGauge,
             "Memory that the limit of connections was computed from.");
  out->Sample({}, static_cast<uint64_t>(service.memory_bytes));
}

void WriteReloads(const ReloadFacts& reloads, Exposition* out) {
  out->Begin("tlsbridge_config_reloads", Type::kCounter,
             "Reloads of the configuration, taken or refused.");
  out->Sample({{"result", "taken"}}, reloads.taken);
  out->Sample({{"result", "refused"}}, reloads.refused);
  out->Begin("tlsbridge_renewals", Type::kCounter,
             "Renewals of sets of files, such as a certificate and its key, that had changed: "
             "taken, or refused because they are invalid.");
  out->Sample({{"result", "taken"}}, reloads.renewals.taken);
  out->Sample({{"result", "refused"}}, reloads.renewals.refused);
  out->Begin("tlsbridge_renewal_files_refused", Type::kGauge,
             "Sets of files that are invalid now; their previous content is served.");
  out->Sample({}, uint64_t{reloads.files_refused.size()});
  if (reloads.last_renewal_taken > absl::InfinitePast()) {
    out->Begin("tlsbridge_last_renewal_success_timestamp_seconds", Type::kGauge,
               "When files were last renewed; missing until they are.");
    out->Sample({}, Unix(reloads.last_renewal_taken));
  }
  out->Begin("tlsbridge_config_last_reload_successful", Type::kGauge,
             "Whether the last reload of the configuration was taken.");
  out->Sample({}, uint64_t{reloads.last_refused ? 0u : 1u});
  out->Begin("tlsbridge_config_last_reload_success_timestamp_seconds", Type::kGauge,
             "When the configuration that is served was loaded.");
  out->Sample({}, Unix(reloads.last_taken));
}

void WriteLog(uint64_t folded, Exposition* out) {
  out->Begin("tlsbridge_log_lines_lost", Type::kCounter,
             "Log lines lost: the reader of standard error is too slow, or its disk full.");
  out->Sample({}, LogLinesLost());
  out->Begin("tlsbridge_log_lines_folded", Type::kCounter,
             "Failures that were not logged one by one but counted in summary lines.");
  out->Sample({}, folded);
}

// A file that several routes name has a series for each.
void WriteFiles(const LiveConfig& live, absl::Time now, Exposition* out) {
  struct Dated {
    absl::string_view route;
    const char* kind;
    std::string file;
    absl::Time from;
    absl::Time until;
    bool refused;
  };
  std::vector<Dated> all;
  std::set<std::tuple<std::string, std::string, std::string>> known;  // no series twice
  for (const auto& route : live.routes()) {
    ForEachDatedFile(*route, now, [&](const DatedFile& file) {
      if (!known.emplace(route->settings->name, file.kind, file.name).second) return;
      all.push_back({route->settings->name, file.kind, file.name, file.from, file.until,
                     !file.problem.empty()});
    });
  }
  const auto each = [&](absl::string_view name, absl::string_view help, auto value) {
    out->Begin(name, Type::kGauge, help);
    for (const Dated& file : all) {
      out->Sample({{"route", file.route}, {"kind", file.kind}, {"file", file.file}}, value(file));
    }
  };
  each(
      "tlsbridge_certificate_not_after_timestamp_seconds",
      "Expiry (notAfter or nextUpdate) of the certificate, CA, CRL or OCSP response, as unix time.",
      [](const Dated& file) { return Unix(file.until); });
  each("tlsbridge_certificate_not_before_timestamp_seconds",
       "Start of validity (notBefore or thisUpdate) of the certificate, CA, CRL or OCSP response, "
       "as unix time.",
       [](const Dated& file) { return Unix(file.from); });
  each("tlsbridge_certificate_refused",
       "Whether the file's current content is invalid, and its previous content is served.",
       [](const Dated& file) { return uint64_t{file.refused ? 1u : 0u}; });
}

// As Prometheus' own client libraries name them.
void WriteProcess(absl::Time started, Exposition* out) {
  const ProcessFacts facts = ProcessFacts::Read();
  out->Begin("process_cpu_seconds", Type::kCounter, "CPU time, user and system, in seconds.");
  out->Sample({}, facts.cpu_seconds);
  out->Begin("process_open_fds", Type::kGauge, "Open file descriptors.");
  out->Sample({}, facts.descriptors);
  out->Begin("process_max_fds", Type::kGauge, "The limit of open file descriptors.");
  out->Sample({}, facts.most_descriptors);
  out->Begin("process_resident_memory_bytes", Type::kGauge, "Resident memory.");
  out->Sample({}, facts.resident_bytes);
  out->Begin("process_virtual_memory_bytes", Type::kGauge, "Virtual memory.");
  out->Sample({}, facts.virtual_bytes);
  out->Begin("process_start_time_seconds", Type::kGauge, "When the process started, as unix time.");
  out->Sample({}, Unix(started));
}

}  // namespace

std::string MetricsText(Exposition::Format format, const Service& service) {
  Exposition out(format);
  WriteProgram(service, &out);
  WriteRoutes(*service.live, service.common_now, &out);
  WriteReloads(service.reloads, &out);
  WriteFiles(*service.live, service.wall, &out);
  WriteLog(service.folded, &out);
  WriteProcess(service.started, &out);
  return out.Finish();
}

}  // namespace tlsbridge
