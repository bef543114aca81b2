#include "bridge/duration_histogram.h"

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

TEST(DurationHistogramTest, ADurationIsInTheFirstBucketThatIsNotLess) {
  DurationHistogram histogram;
  for (const int microseconds : {-5, 0, 999, 1'000, 1'001, 2'500, 5'000'000, 5'000'001}) {
    histogram.Observe(absl::Microseconds(microseconds));
  }
  const DurationHistogram::Counts counts = histogram.Take();
  EXPECT_EQ(counts.buckets[0], 4u);
  EXPECT_EQ(counts.buckets[1], 2u);
  EXPECT_EQ(counts.buckets[7], 1u);
  EXPECT_EQ(counts.buckets[8], 1u);
  EXPECT_EQ(counts.count(), 8u);
  EXPECT_EQ(counts.nanoseconds, 10'005'501'000u) << "less than nothing counts as nothing";
}

TEST(DurationHistogramTest, QuantilesLieWithinTheirBucket) {
  DurationHistogram histogram;
  EXPECT_EQ(histogram.Take().Quantile(0.5), 0);
  for (int i = 0; i < 100; ++i) histogram.Observe(absl::Microseconds(i < 90 ? 500 : 20'000));
  EXPECT_NEAR(histogram.Take().Quantile(0.5), 0.00055, 0.0001);
  EXPECT_NEAR(histogram.Take().Quantile(0.99), 0.046, 0.001);
  histogram.Observe(absl::InfiniteDuration());
  EXPECT_EQ(histogram.Take().Quantile(1), 5) << "as much as is known";
}

}  // namespace
}  // namespace tlsbridge
