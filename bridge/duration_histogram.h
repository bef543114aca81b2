// How long things took, as a histogram that any thread may read while one observes.
//
// Thread: one observes; all may read. Owner: whoever observes. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>

#include "absl/time/time.h"
#include "bridge/counter.h"

namespace tlsbridge {

class DurationHistogram {
 public:
  // Upper bounds in seconds, from a connection on the same machine to one that times out. Eight, so
  // that a thousand routes stay affordable.
  static constexpr std::array<double, 8> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5};
  // What it held at one moment; several add up.
  struct Counts {
    std::array<uint64_t, kBounds.size() + 1> buckets = {};  // the last one is of longer ones
    uint64_t nanoseconds = 0;

    void Add(const Counts& other);
    uint64_t count() const;
    // The duration in seconds that a part of `q` did not exceed, as if those in a bucket were
    // spread over it; 0 if there are none, and the last bound for what is over that.
    double Quantile(double q) const;
  };

  // What is less than nothing counts as nothing.
  void Observe(absl::Duration took);
  Counts Take() const;

 private:
  std::array<Counter, kBounds.size() + 1> buckets_;
  Counter nanoseconds_;
};

}  // namespace tlsbridge
