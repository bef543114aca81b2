#include "tools/bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tlsbridge::bench {
namespace {

// Every power of two is divided into this many buckets; below twice this, every nanosecond has its
// own.
constexpr int kLinearBits = 7;
constexpr int64_t kLinear = int64_t{1} << kLinearBits;
constexpr size_t kBuckets = (64 - kLinearBits) * kLinear;

size_t BucketOf(int64_t nanos) {
  if (nanos < 2 * kLinear) return static_cast<size_t>(nanos);
  const int shift = std::bit_width(static_cast<uint64_t>(nanos)) - 1 - kLinearBits;
  return static_cast<size_t>(shift * kLinear + (nanos >> shift));
}

// The largest value that falls into the bucket.
int64_t UpperBound(size_t bucket) {
  const int64_t index = static_cast<int64_t>(bucket);
  if (index < 2 * kLinear) return index;
  const int64_t shift = index / kLinear - 1;
  // Unsigned, since one above the last bound is one above the largest signed number.
  const auto next_mantissa = static_cast<uint64_t>(index - shift * kLinear + 1);
  return static_cast<int64_t>((next_mantissa << shift) - 1);
}

}  // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

void Histogram::Record(absl::Duration value) {
  const int64_t nanos = std::max<int64_t>(absl::ToInt64Nanoseconds(value), 0);
  ++buckets_[BucketOf(nanos)];
  ++count_;
  max_ = std::max(max_, nanos);
}

absl::Duration Histogram::Quantile(double q) const {
  const auto rank = static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen > 0 && seen >= rank) return absl::Nanoseconds(std::min(UpperBound(bucket), max_));
  }
  return absl::ZeroDuration();
}

}  // namespace tlsbridge::bench
