// Where time comes from, so that tests can turn it by hand.
//
// Thread: any. Owner: the process, or a test; it outlives every loop that asks it.
// Failure: none.
#pragma once

#include <utility>

#include "absl/time/time.h"

namespace tlsbridge {

class Clock {
 public:
  virtual ~Clock() = default;

  // Never goes back; its epoch means nothing. For timers and durations.
  virtual absl::Time Monotonic() const = 0;

  // The time of day. For certificates and log lines.
  virtual absl::Time Wall() const = 0;

  // True if time passes by itself, so that a loop must wake up for its timers.
  virtual bool runs_by_itself() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Monotonic() const override;
  absl::Time Wall() const override;
  bool runs_by_itself() const override { return true; }
};

// Stands still until told. For tests.
class ManualClock final : public Clock {
 public:
  absl::Time Monotonic() const override { return std::exchange(monotonic_, monotonic_ + step_); }
  absl::Time Wall() const override { return wall_; }
  bool runs_by_itself() const override { return runs_by_itself_; }
  // As if it did, so that a jump is a stall of its loop.
  void set_runs_by_itself(bool runs) { runs_by_itself_ = runs; }

  void Advance(absl::Duration by) {
    monotonic_ += by;
    wall_ += by;
  }

  // Each time that it is asked, it has moved on by this much: as if work took time.
  void set_step(absl::Duration step) { step_ = step; }

 private:
  bool runs_by_itself_ = false;
  absl::Duration step_;
  mutable absl::Time monotonic_ = absl::UnixEpoch() + absl::Hours(1);
  absl::Time wall_ = absl::UnixEpoch() + absl::Hours(24) * 365 * 56;
};

}  // namespace tlsbridge
