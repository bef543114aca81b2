#include "router/stats/route_series.h"

#include <stddef.h>
#include <stdint.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "router/metrics/route_metrics.h"
#include "router/stats/route_reasons.h"

namespace tlsbridge {
namespace {

using Type = Exposition::Type;

constexpr absl::string_view kNone = "(none)";

struct Series {
  absl::string_view route;
  const LiveRoute* live;  // null for what has no route
  RouteTotals totals;

  bool terminates() const {
    return live != nullptr && live->settings->action == RouteAction::kForward &&
           live->settings->tls_mode != TlsMode::kPassthrough;
  }
  bool CanEndFor(TerminationReason reason) const {
    return live == nullptr ? CanEndUnrouted(reason) : tlsbridge::CanEndFor(*live->settings, reason);
  }
};

void WriteEnds(const std::vector<Series>& all, Exposition* out) {
  out->Begin("tlsbridge_connections", Type::kCounter,
             "Connections that have ended, by reason; the README lists the reasons.");
  for (const Series& series : all) {
    for (size_t i = 0; i < kTerminationReasons; ++i) {
      const auto reason = static_cast<TerminationReason>(i);
      const uint64_t ended = series.totals.ended[i];
      if (ended == 0 && !series.CanEndFor(reason)) continue;
      out->Sample({{"route", series.route}, {"reason", TerminationReasonName(reason)}}, ended);
    }
  }
}

void WriteRefusals(const std::vector<Series>& all, Exposition* out) {
  constexpr TerminationReason kLimits[] = {
      TerminationReason::kGlobalLimit,     TerminationReason::kFdLimit,
      TerminationReason::kIpLimit,         TerminationReason::kRateLimit,
      TerminationReason::kRouteLimit,      TerminationReason::kHandshakeLimit,
      TerminationReason::kIpHandshakeLimit};
  out->Begin("tlsbridge_refused", Type::kCounter,
             "Connections that a limit has refused, of all routes.");
  for (const TerminationReason limit : kLimits) {
    uint64_t refused = 0;
    for (const Series& series : all) refused += series.totals.ended[static_cast<size_t>(limit)];
    out->Sample({{"limit", TerminationReasonName(limit)}}, refused);
  }
}

void WriteTraffic(const std::vector<Series>& all, Exposition* out) {
  out->Begin("tlsbridge_connections_opened", Type::kCounter, "Connections opened on the route.");
  for (const Series& series : all) {
    if (series.live != nullptr) out->Sample({{"route", series.route}}, series.totals.opened);
  }
  out->Begin("tlsbridge_connections_open", Type::kGauge, "Connections that are open now.");
  for (const Series& series : all) {
    if (series.live == nullptr) continue;
    out->Sample({{"route", series.route}},
                static_cast<uint64_t>(series.live->state->admission.connections()));
  }
  out->Begin("tlsbridge_received_bytes", Type::kCounter,
             "Bytes received from clients and backends, as they come, without TLS; each is sent to "
             "the other side.");
  for (const Series& series : all) {
    if (series.live == nullptr) continue;
    out->Sample({{"route", series.route}, {"side", "client"}}, series.totals.bytes[0]);
    out->Sample({{"route", series.route}, {"side", "backend"}}, series.totals.bytes[1]);
  }
}

void WritePauses(const std::vector<Series>& all, Exposition* out) {
  out->Begin("tlsbridge_reading_pauses", Type::kCounter,
             "Times that reading from a peer was paused, by cause: the other side's queue is full, "
             "or the client's handshake is queued.");
  for (const Series& series : all) {
    if (series.live == nullptr || series.live->settings->action != RouteAction::kForward) continue;
    const auto sample = [&](absl::string_view side, absl::string_view cause, uint64_t count) {
      out->Sample({{"route", series.route}, {"side", side}, {"cause", cause}}, count);
    };
    sample("client", "other_side_full", series.totals.pauses[0]);
    sample("backend", "other_side_full", series.totals.pauses[1]);
    if (series.terminates()) sample("client", "awaits_turn", series.totals.turns_waited);
  }
}

void WriteHandshakes(const std::vector<Series>& all, Exposition* out) {
  out->Begin("tlsbridge_handshakes", Type::kCounter,
             "TLS handshakes with clients that succeeded, by version and by whether the session "
             "was resumed.");
  for (const Series& series : all) {
    if (!series.terminates()) continue;
    for (size_t version = 0; version < kTlsVersionLabels.size(); ++version) {
      for (const size_t resumed : {0, 1}) {
        out->Sample({{"route", series.route},
                     {"version", kTlsVersionLabels[version]},
                     {"resumed", resumed == 0 ? "false" : "true"}},
                    series.totals.handshakes[version][resumed]);
      }
    }
  }
  out->Begin("tlsbridge_handshake_groups", Type::kCounter,
             "The same handshakes, by key exchange group.");
  for (const Series& series : all) {
    if (!series.terminates()) continue;
    for (size_t group = 0; group < kTlsGroupLabels.size(); ++group) {
      out->Sample({{"route", series.route}, {"group", kTlsGroupLabels[group]}},
                  series.totals.groups[group]);
    }
  }
  out->Begin("tlsbridge_handshake_failures", Type::kCounter,
             "TLS handshakes that failed, by detail; TROUBLESHOOTING.md lists the details.");
  for (const Series& series : all) {
    for (size_t i = 1; i < tls::kFailureDetails; ++i) {
      const uint64_t failed = series.totals.failed[i];
      const auto detail = static_cast<tls::FailureDetail>(i);
      // A session with a backend has details of its own.
      if (failed == 0 && !series.terminates()) continue;
      out->Sample({{"route", series.route}, {"detail", tls::FailureDetailName(detail)}}, failed);
    }
  }
}

void WriteDurations(const std::vector<Series>& all, Exposition* out) {
  const auto each = [&](absl::string_view name, absl::string_view help, auto wanted, auto counts) {
    out->Begin(name, Type::kHistogram, help);
    for (const Series& series : all) {
      if (series.live != nullptr && wanted(series)) {
        out->Sample({{"route", series.route}}, series.totals.*counts);
      }
    }
  };
  const auto forwards = [](const Series& series) {
    return series.live->settings->action == RouteAction::kForward;
  };
  each(
      "tlsbridge_handshake_duration_seconds",
      "From accepting a client to the end of its TLS handshake.",
      [](const Series& series) { return series.terminates(); }, &RouteTotals::handshake);
  each("tlsbridge_connect_duration_seconds", "From a client that is ready to a connected backend.",
       forwards, &RouteTotals::connect);
  each("tlsbridge_first_byte_duration_seconds", "From then to the backend's first byte.", forwards,
       &RouteTotals::first_byte);
}

void WriteBackends(const std::vector<Series>& all, absl::Time common_now, Exposition* out) {
  struct Backend {
    absl::string_view route;
    EndpointStatus status;
  };
  std::vector<Backend> backends;
  for (const Series& series : all) {
    if (series.live == nullptr || series.live->backends == nullptr) continue;
    std::set<std::pair<std::string, std::string>> known;  // one may be configured twice
    for (EndpointStatus& status : series.live->backends->Endpoints(common_now)) {
      if (!known.emplace(status.backend, status.name).second) continue;
      backends.push_back({series.route, std::move(status)});
    }
  }
  const auto each = [&](absl::string_view name, Type type, absl::string_view help, auto value) {
    out->Begin(name, type, help);
    for (const Backend& backend : backends) {
      out->Sample({{"route", backend.route},
                   {"backend", backend.status.backend},
                   {"endpoint", backend.status.name}},
                  static_cast<uint64_t>(value(backend.status)));
    }
  };
  each("tlsbridge_backend_up", Type::kGauge,
       "Whether the backend's health checks pass, or it has none.",
       [](const EndpointStatus& status) { return status.healthy; });
  each("tlsbridge_backend_ejected", Type::kGauge,
       "Whether the backend is ejected: it gets no connections for a while, since too many failed.",
       [common_now](const EndpointStatus& status) { return status.ejected_until > common_now; });
  each("tlsbridge_backend_failing", Type::kGauge,
       "Whether the backend is in use though it would be ejected, if enough others were left.",
       [](const EndpointStatus& status) { return status.failing; });
  each("tlsbridge_backend_draining", Type::kGauge, "Whether the configuration drains the backend.",
       [](const EndpointStatus& status) { return status.drain; });
  each("tlsbridge_backend_connections", Type::kGauge, "Connections to the backend now.",
       [](const EndpointStatus& status) { return status.connections; });
  each("tlsbridge_backend_dials", Type::kCounter, "Connection attempts to the backend.",
       [](const EndpointStatus& status) { return status.leases; });
  each("tlsbridge_backend_failures", Type::kCounter,
       "Attempts that failed: the backend could not be reached, or failed its TLS handshake.",
       [](const EndpointStatus& status) { return status.failures; });
}

}  // namespace

void WriteRoutes(const LiveConfig& live, absl::Time common_now, Exposition* out) {
  std::vector<Series> all;
  for (const auto& route : live.routes()) {
    all.push_back({route->settings->name, route.get(), route->state->metrics.Take()});
  }
  all.push_back({kNone, nullptr, live.unrouted()->state->metrics.Take()});
  WriteEnds(all, out);
  WriteRefusals(all, out);
  WriteTraffic(all, out);
  WritePauses(all, out);
  WriteHandshakes(all, out);
  WriteDurations(all, out);
  WriteBackends(all, common_now, out);
}

}  // namespace tlsbridge
