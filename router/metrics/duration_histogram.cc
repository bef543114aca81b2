#include "router/metrics/duration_histogram.h"

#include <algorithm>

namespace tlsbridge {

void DurationHistogram::Counts::Add(const Counts& other) {
  for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
  nanoseconds += other.nanoseconds;
}

void DurationHistogram::Observe(absl::Duration took) {
  took = std::max(took, absl::ZeroDuration());
  const double seconds = absl::ToDoubleSeconds(took);
  const auto* const bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  buckets_[static_cast<size_t>(bound - kBounds.begin())].Add();
  nanoseconds_.Add(static_cast<uint64_t>(absl::ToInt64Nanoseconds(took)));
}

DurationHistogram::Counts DurationHistogram::Take() const {
  Counts counts;
  for (size_t i = 0; i < buckets_.size(); ++i) counts.buckets[i] = buckets_[i].value();
  counts.nanoseconds = nanoseconds_.value();
  return counts;
}

}  // namespace tlsbridge
