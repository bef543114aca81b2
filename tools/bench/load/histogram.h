// A log-linear histogram of durations: constant memory, and a quantile is never more than 1/128
// above the true one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace tlsbridge::bench {

class Histogram {
 public:
  Histogram();

  // Negative durations count as zero.
  void Record(absl::Duration value);

  uint64_t count() const { return count_; }
  // Exact, unlike the quantiles.
  absl::Duration max() const { return absl::Nanoseconds(max_); }
  // The smallest recorded bound that at least the fraction `q` of the values does not exceed; zero
  // when empty. REQUIRES: 0 <= q <= 1.
  absl::Duration Quantile(double q) const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace tlsbridge::bench
