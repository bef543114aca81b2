#include "tools/bench/load/histogram.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace tlsbridge::bench {
namespace {

TEST(HistogramTest, SaysZeroWhenNothingWasRecorded) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Quantile(0.99), absl::ZeroDuration());
  EXPECT_EQ(histogram.max(), absl::ZeroDuration());
}

TEST(HistogramTest, IsExactToTheNanosecondBelow256) {
  Histogram histogram;
  for (int nanos = 0; nanos < 256; ++nanos) histogram.Record(absl::Nanoseconds(nanos));
  EXPECT_EQ(histogram.Quantile(0.5), absl::Nanoseconds(127));
  EXPECT_EQ(histogram.Quantile(1), absl::Nanoseconds(255));
}

TEST(HistogramTest, IsNeverBelowTheTrueQuantileAndAtMostOne128thAbove) {
  for (int64_t nanos = 1; nanos < int64_t{1} << 40; nanos = nanos * 3 / 2 + 1) {
    Histogram histogram;
    histogram.Record(absl::Nanoseconds(nanos));
    histogram.Record(absl::Hours(1));
    const int64_t found = absl::ToInt64Nanoseconds(histogram.Quantile(0.5));
    EXPECT_GE(found, nanos);
    EXPECT_LE(found, nanos + nanos / 128);
  }
}

TEST(HistogramTest, NeverReportsAQuantileAboveTheLargestValue) {
  Histogram histogram;
  histogram.Record(absl::Nanoseconds(1'000'001));
  EXPECT_EQ(histogram.Quantile(1), absl::Nanoseconds(1'000'001));
  EXPECT_EQ(histogram.max(), absl::Nanoseconds(1'000'001));
}

TEST(HistogramTest, FindsTheOneSlowValueInAThousand) {
  Histogram histogram;
  for (int i = 0; i < 999; ++i) histogram.Record(absl::Nanoseconds(100));
  histogram.Record(absl::Seconds(1));
  EXPECT_EQ(histogram.Quantile(0.999), absl::Nanoseconds(100));
  EXPECT_EQ(histogram.Quantile(0.9991), absl::Seconds(1));
}

TEST(HistogramTest, CountsANegativeDurationAsZero) {
  Histogram histogram;
  histogram.Record(absl::Nanoseconds(-5));
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.Quantile(1), absl::ZeroDuration());
}

TEST(HistogramTest, TakesTheLongestDurationThereIs) {
  Histogram histogram;
  histogram.Record(absl::InfiniteDuration());
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.Quantile(0.5), absl::Nanoseconds(INT64_MAX));
}

}  // namespace
}  // namespace tlsbridge::bench
