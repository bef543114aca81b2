// Deadlines by the hundred thousand: arming and cancelling cost the same few instructions however
// many there are, and an idle wheel costs nothing.
//
// A hierarchical wheel of 64-slot levels, one millisecond the finest step. It never fires early,
// and fires at most one step late. Timers are links in the wheel's lists, so that none allocates.
//
// Thread: one. Owner: the loop; it outlives its timers. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>
#include <optional>

#include "absl/time/time.h"

namespace tlsbridge {

class TimerWheel {
 public:
  // A link of one of the wheel's rings.
  struct Link {
    Link* previous = this;
    Link* next = this;
  };

  // What is armed. Cancels itself when it dies.
  class Entry : private Link {
   public:
    Entry() = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    virtual ~Entry() { Cancel(); }

    bool armed() const { return wheel_ != nullptr; }
    absl::Time deadline() const { return deadline_; }
    void Cancel();

   protected:
    virtual void Expire() = 0;

   private:
    friend class TimerWheel;

    TimerWheel* wheel_ = nullptr;
    uint64_t tick_ = 0;
    absl::Time deadline_;
  };

  explicit TimerWheel(absl::Time now) : epoch_(now) {}
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Arms `entry`, wherever it was armed before. A deadline in the past fires at the next Advance().
  void Arm(Entry* entry, absl::Time deadline);

  // Fires all that is due. What is armed meanwhile for `now` or before fires at the next Advance(),
  // so that one call always ends.
  void Advance(absl::Time now);

  // A time before which Advance() has nothing to do; none if nothing is armed.
  std::optional<absl::Time> NextWakeUp() const;

  // Whether something was armed for the past, and has yet to fire.
  bool any_due() const { return due_.next != &due_; }

  size_t armed() const { return armed_; }

 private:
  static constexpr int kBitsPerLevel = 6;
  static constexpr int kSlots = 1 << kBitsPerLevel;
  static constexpr int kLevels = 7;  // 2^42 ms: 139 years

  struct Level {
    std::array<Link, kSlots> slots;
    uint64_t occupied = 0;  // may have a bit set for a slot that has become empty
  };

  uint64_t TickAtOrAfter(absl::Time time) const;
  absl::Time TimeOf(uint64_t tick) const { return epoch_ + absl::Milliseconds(tick); }
  void Insert(Entry* entry);
  void Expire(Link* ring);
  std::optional<uint64_t> NextTick() const;

  const absl::Time epoch_;
  uint64_t now_ = 0;  // in ticks since epoch_
  size_t armed_ = 0;
  mutable std::array<Level, kLevels> levels_;
  Link due_;  // deadlines already past when they were armed
};

}  // namespace tlsbridge
