#include "router/stats/metrics_text.h"

#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/stats/route_reasons.h"

namespace tlsbridge {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Reason = TerminationReason;

Route Named(const std::string& name) {
  Route route{.name = name};
  route.backends.push_back({{.socket = *SocketAddress::Parse("127.0.0.1:80")}});
  return route;
}

class MetricsTextTest : public ::testing::Test {
 protected:
  std::shared_ptr<const LiveConfig> Serve(std::vector<Route> routes) {
    Config config;
    config.routes = std::move(routes);
    const size_t count = config.routes.size();
    auto live = LiveConfig::Assemble(std::move(config), std::vector<RouteTls>(count), live_.get(),
                                     absl::UnixEpoch());
    EXPECT_TRUE(live.ok()) << live.status();
    return live_ = *live;
  }
  std::vector<std::string> Lines(Exposition::Format format = Exposition::Format::kText) {
    const Service service = {
        .live = live_.get(),
        .admission = &admission_,
        .handshake_limit = &handshakes_,
        .started = absl::FromUnixSeconds(1'000),
        .wall = absl::FromUnixSeconds(2'000),
        .common_now = absl::UnixEpoch(),
        .reloads = {.taken = 2,
                    .refused = 1,
                    .last_taken = absl::FromUnixSeconds(1'500),
                    .renewals = {.taken = 3, .refused = 4},
                    .last_renewal_taken = absl::FromUnixSeconds(1'600),
                    .files_refused = {{"orders tls.crt", absl::FromUnixSeconds(1'700)}}},
        .ready = true,
        .descriptors = 20'000,
        .memory_bytes = 1 << 30,
        .workers = {{.connections = 3}, {.connections = 4}},
        .folded = 9};
    return absl::StrSplit(MetricsText(format, service), '\n', absl::SkipEmpty());
  }
  RouteMetrics::Share& ShareOf(const std::string& route, const void* worker = nullptr) {
    return live_->ByName(route)->state->metrics.ShareOf(worker);
  }

  std::shared_ptr<const LiveConfig> live_;
  Admission admission_{Limits(), /*budget=*/500};
  HandshakeLimit handshakes_{7};
};

TEST_F(MetricsTextTest, WorkersCountsAreSummedByRoute) {
  Serve({Named("orders"), Named("billing")});
  const int workers[2] = {};
  ShareOf("orders", &workers[0]).CountEnd(Reason::kClosedIncoming, tls::FailureDetail::kNone);
  ShareOf("orders", &workers[1]).CountEnd(Reason::kClosedIncoming, tls::FailureDetail::kNone);
  ShareOf("orders", &workers[1])
      .CountEnd(Reason::kTlsHandshakeFailed, tls::FailureDetail::kPlainHttp);
  ShareOf("orders", &workers[0]).traffic.bytes[0].Add(10);
  ShareOf("orders", &workers[1]).traffic.bytes[1].Add(20);
  ShareOf("orders", &workers[0]).traffic.pauses[1].Add(2);
  ShareOf("billing", &workers[0]).traffic.turns_waited.Add();
  ShareOf("billing", &workers[1]).connect.Observe(absl::Milliseconds(2));
  const auto lines = Lines();
  for (
      const char* line : {
          R"(tlsbridge_connections_total{route="orders",reason="closed_incoming"} 2)",
          R"(tlsbridge_connections_total{route="billing",reason="closed_incoming"} 0)",
          "tlsbridge_connections_total{route=\"(none)\",reason=\"no_route\"} 0",
          R"(tlsbridge_handshake_failures_total{route="orders",detail="plain_http"} 1)",
          R"(tlsbridge_handshake_failures_total{route="orders",detail="not_tls"} 0)",
          R"(tlsbridge_received_bytes_total{route="orders",side="client"} 10)",
          R"(tlsbridge_received_bytes_total{route="orders",side="backend"} 20)",
          R"(tlsbridge_connect_duration_seconds_bucket{route="billing",le="0.0025"} 1)",
          R"(tlsbridge_backend_up{route="orders",backend="127.0.0.1:80",endpoint="127.0.0.1:80"} 1)",
          R"(tlsbridge_worker_connections{worker="1"} 4)",
          R"(tlsbridge_connections_limit 500)",
          R"(tlsbridge_handshakes_waiting_limit 7)",
          R"(tlsbridge_loop_lag_seconds_count{loop="worker 1"} 0)",
          R"(tlsbridge_loop_lag_seconds_count{loop="control"} 0)",
          R"(tlsbridge_log_lines_folded_total 9)",
          R"(tlsbridge_config_reloads_total{result="refused"} 1)",
          R"(tlsbridge_renewals_total{result="refused"} 4)",
          R"(tlsbridge_renewal_files_refused 1)",
          R"(tlsbridge_last_renewal_success_timestamp_seconds 1600)",
          R"(tlsbridge_reading_pauses_total{route="orders",side="backend",cause="other_side_full"} 2)",
          R"(tlsbridge_reading_pauses_total{route="billing",side="client",cause="awaits_turn"} 1)",
          R"(tlsbridge_config_last_reload_success_timestamp_seconds 1500)",
          R"(tlsbridge_ready 1)",
      }) {
    EXPECT_THAT(lines, Contains(line));
  }
}

TEST_F(MetricsTextTest, ShowsZerosOfWhatARouteCanHaveAndOfNothingElse) {
  Route open = Named("open");
  Route limited = Named("limited");
  limited.limits.connections = 5;
  Route blocks{.name = "blocks", .action = RouteAction::kBlock};
  Route passes = Named("passes");
  passes.tls_mode = TlsMode::kPassthrough;
  Serve({open, limited, blocks, passes});
  const auto lines = Lines();
  const auto series = [](const char* route, const char* reason) {
    return absl::StrCat("tlsbridge_connections_total{route=\"", route, "\",reason=\"", reason,
                        "\"} 0");
  };
  EXPECT_THAT(lines, Contains(series("limited", "route_limit")));
  EXPECT_THAT(lines, Not(Contains(series("open", "route_limit"))));
  EXPECT_THAT(lines, Contains(series("open", "tls_handshake_failed")));
  EXPECT_THAT(lines, Not(Contains(series("passes", "tls_handshake_failed"))));
  EXPECT_THAT(lines, Contains(series("blocks", "denied")));
  EXPECT_THAT(lines, Not(Contains(series("blocks", "closed_incoming"))));
  // What has happened all the same is not hidden.
  ShareOf("open").CountEnd(Reason::kRouteLimit, tls::FailureDetail::kNone);
  EXPECT_THAT(Lines(),
              Contains(R"(tlsbridge_connections_total{route="open",reason="route_limit"} 1)"));
}

TEST_F(MetricsTextTest, TheSeriesOfARouteGoWithIt) {
  Serve({Named("stays"), Named("goes")});
  ShareOf("goes").CountEnd(Reason::kClosedIncoming, tls::FailureDetail::kNone);
  Serve({Named("stays")});
  for (const std::string& line : Lines()) EXPECT_THAT(line, Not(HasSubstr("goes")));
}

TEST_F(MetricsTextTest, NoSeriesIsThereTwiceAndEachFamilyOnce) {
  Route twice = Named("twice");
  twice.backends.push_back(twice.backends[0]);
  Serve({twice, Named("once")});
  std::set<std::string> known;
  for (const std::string& line : Lines()) {
    const std::string series = line.substr(0, line.rfind(' '));
    if (absl::StartsWith(line, "# HELP ")) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      EXPECT_TRUE(known.insert("# HELP " + words[2]).second) << line;
    } else if (!absl::StartsWith(line, "#")) {
      EXPECT_TRUE(known.insert(series).second) << line;
    }
  }
  EXPECT_GT(known.size(), 100u);
}

TEST_F(MetricsTextTest, TheListOfNamesHasEachOne) {
  std::ifstream file("router/stats/README.md");
  const std::string list((std::istreambuf_iterator<char>(file)), {});
  ASSERT_THAT(list, HasSubstr("`tlsbridge_connections_total`"));
  Serve({Named("orders")});
  for (const std::string& line : Lines()) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words[1] != "TYPE" || absl::StartsWith(words[2], "process_")) continue;
    EXPECT_THAT(list, HasSubstr(absl::StrCat("`", words[2], "`")));
  }
}

TEST_F(MetricsTextTest, OpenMetricsEndsAsItMust) {
  Serve({Named("orders")});
  const auto lines = Lines(Exposition::Format::kOpenMetrics);
  EXPECT_EQ(lines.back(), "# EOF");
  EXPECT_THAT(lines, Contains("# TYPE tlsbridge_connections counter"));
}

}  // namespace
}  // namespace tlsbridge
