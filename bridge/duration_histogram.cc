#include "bridge/duration_histogram.h"

#include <algorithm>

namespace tlsbridge {
namespace {

constexpr absl::Duration kFirst = absl::Microseconds(1000);

}  // namespace

void DurationHistogram::Counts::Add(const Counts& other) {
  for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
  nanoseconds += other.nanoseconds;
}

void DurationHistogram::Observe(absl::Duration took) {
  if (took < kFirst) {  // mostly
    buckets_[0].Add();
    if (took > absl::ZeroDuration()) {
      nanoseconds_.Add(static_cast<uint64_t>(absl::ToInt64Nanoseconds(took)));
    }
    return;
  }
  const double seconds = absl::ToDoubleSeconds(took);
  const auto* const bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  buckets_[static_cast<size_t>(bound - kBounds.begin())].Add();
  nanoseconds_.Add(static_cast<uint64_t>(absl::ToInt64Nanoseconds(took)));
}

double DurationHistogram::Counts::Quantile(double q) const {
  const double wanted = q * static_cast<double>(count());
  double below = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    const auto here = static_cast<double>(buckets[i]);
    if (here > 0 && below + here >= wanted) {
      const double from = i == 0 ? 0 : kBounds[i - 1];
      return from + (kBounds[i] - from) * (wanted - below) / here;
    }
    below += here;
  }
  return count() == 0 ? 0 : kBounds.back();
}

uint64_t DurationHistogram::Counts::count() const {
  uint64_t count = 0;
  for (const uint64_t bucket : buckets) count += bucket;
  return count;
}

DurationHistogram::Counts DurationHistogram::Take() const {
  Counts counts;
  for (size_t i = 0; i < buckets_.size(); ++i) counts.buckets[i] = buckets_[i].value();
  counts.nanoseconds = nanoseconds_.value();
  return counts;
}

}  // namespace tlsbridge
