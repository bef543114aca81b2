// What a scrape costs the control loop, by how many routes there are: 103 series each. Workers are
// not asked.

#include <stdint.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "router/handshakes/handshake_limit.h"
#include "router/limits/admission.h"
#include "router/live/live_config.h"
#include "router/stats/metrics_text.h"

namespace tlsbridge {
namespace {

void BM_Scrape(benchmark::State& state) {
  constexpr int kWorkers = 4;
  Config config;
  for (int64_t i = 0; i < state.range(0); ++i) {
    Route route{.name = absl::StrCat("route-", i)};
    route.backends.push_back({{.socket = *SocketAddress::Parse("127.0.0.1:80")}});
    config.routes.push_back(std::move(route));
  }
  std::vector<RouteTls> tls(config.routes.size());
  const auto live =
      *LiveConfig::Assemble(std::move(config), std::move(tls), nullptr, absl::UnixEpoch());
  const int workers[kWorkers] = {};
  for (const auto& route : live->routes()) {
    for (const int& worker : workers) {
      RouteMetrics::Share& share = route->state->metrics.ShareOf(&worker);
      share.opened.Add(123'456);
      share.traffic.bytes[0].Add(12'345'678'901);
      share.CountEnd(TerminationReason::kClosedIncoming, tls::FailureDetail::kNone);
      share.connect.Observe(absl::Milliseconds(1));
    }
  }
  const Admission admission({}, 1000);
  const HandshakeLimit handshakes(1000);
  const Service service = {.live = live.get(),
                           .admission = &admission,
                           .handshake_limit = &handshakes,
                           .started = absl::UnixEpoch(),
                           .wall = absl::UnixEpoch(),
                           .common_now = absl::UnixEpoch(),
                           .workers = std::vector<Service::Loop>(kWorkers)};
  std::string text;
  for (auto _ : state) text = MetricsText(Exposition::Format::kText, service);
  int64_t series = 0;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && c != '#') ++series;
    at_start = c == '\n';
  }
  state.counters["series"] = static_cast<double>(series);
}

BENCHMARK(BM_Scrape)->Arg(1)->Arg(10)->Arg(97)->Arg(1000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tlsbridge
