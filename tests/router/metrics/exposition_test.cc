#include "router/metrics/exposition.h"

#include <string>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Format = Exposition::Format;
using Type = Exposition::Type;

std::string Example(Format format) {
  Exposition out(format);
  out.Begin("tlsbridge_ends", Type::kCounter, "Ends of \"connections\"\nby reason.");
  out.Sample({{"route", "a\"b\\c\nd"}, {"reason", "normal"}}, uint64_t{7});
  out.Begin("tlsbridge_open", Type::kGauge, "Open.");
  out.Sample({}, 0.5);
  return out.Finish();
}

TEST(ExpositionTest, WritesPrometheusText) {
  EXPECT_EQ(Example(Format::kText),
            "# HELP tlsbridge_ends_total Ends of \"connections\"\\nby reason.\n"
            "# TYPE tlsbridge_ends_total counter\n"
            "tlsbridge_ends_total{route=\"a\\\"b\\\\c\\nd\",reason=\"normal\"} 7\n"
            "# HELP tlsbridge_open Open.\n"
            "# TYPE tlsbridge_open gauge\n"
            "tlsbridge_open 0.5\n");
}

TEST(ExpositionTest, WritesOpenMetrics) {
  EXPECT_EQ(Example(Format::kOpenMetrics),
            "# HELP tlsbridge_ends Ends of \\\"connections\\\"\\nby reason.\n"
            "# TYPE tlsbridge_ends counter\n"
            "tlsbridge_ends_total{route=\"a\\\"b\\\\c\\nd\",reason=\"normal\"} 7\n"
            "# HELP tlsbridge_open Open.\n"
            "# TYPE tlsbridge_open gauge\n"
            "tlsbridge_open 0.5\n"
            "# EOF\n");
}

TEST(ExpositionTest, AHistogramsBucketsAddUp) {
  DurationHistogram histogram;
  histogram.Observe(absl::Milliseconds(1));     // a bound is in its bucket
  histogram.Observe(absl::Microseconds(1001));  // not in that one
  histogram.Observe(absl::Seconds(5));
  histogram.Observe(absl::Seconds(60));
  histogram.Observe(absl::Seconds(-1));  // a clock that was set back
  Exposition out(Format::kText);
  out.Begin("t_seconds", Type::kHistogram, "T.");
  out.Sample({{"route", "a"}}, histogram.Take());
  EXPECT_EQ(out.Finish(),
            "# HELP t_seconds T.\n"
            "# TYPE t_seconds histogram\n"
            "t_seconds_bucket{route=\"a\",le=\"0.001\"} 2\n"
            "t_seconds_bucket{route=\"a\",le=\"0.0025\"} 3\n"
            "t_seconds_bucket{route=\"a\",le=\"0.005\"} 3\n"
            "t_seconds_bucket{route=\"a\",le=\"0.01\"} 3\n"
            "t_seconds_bucket{route=\"a\",le=\"0.05\"} 3\n"
            "t_seconds_bucket{route=\"a\",le=\"0.25\"} 3\n"
            "t_seconds_bucket{route=\"a\",le=\"1.0\"} 3\n"
            "t_seconds_bucket{route=\"a\",le=\"5.0\"} 4\n"
            "t_seconds_bucket{route=\"a\",le=\"+Inf\"} 5\n"
            "t_seconds_sum{route=\"a\"} 65.002001\n"
            "t_seconds_count{route=\"a\"} 5\n");
}

TEST(ExpositionTest, SpeaksAsItIsAskedTo) {
  const auto open = [](absl::string_view accept) {
    return Exposition::Wanted(accept) == Format::kOpenMetrics;
  };
  EXPECT_FALSE(open(""));
  EXPECT_FALSE(open("*/*"));
  EXPECT_FALSE(open("text/plain;version=0.0.4"));
  EXPECT_TRUE(open("application/openmetrics-text"));
  // As Prometheus 2.42 and 3 ask.
  EXPECT_TRUE(
      open("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
           "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
  EXPECT_FALSE(open("application/openmetrics-text;q=0.3, text/plain"));
  EXPECT_FALSE(open("application/openmetrics-text;q=0"));
}

}  // namespace
}  // namespace tlsbridge
