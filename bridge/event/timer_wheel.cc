#include "bridge/event/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace tlsbridge {
namespace {

using Link = TimerWheel::Link;

bool Empty(const Link& ring) { return ring.next == &ring; }

void Unlink(Link* link) {
  link->previous->next = link->next;
  link->next->previous = link->previous;
  link->previous = link->next = link;
}

void Append(Link* ring, Link* link) {
  link->previous = ring->previous;
  link->next = ring;
  ring->previous->next = link;
  ring->previous = link;
}

// Moves all of `from` into the empty ring `to`.
void Splice(Link* from, Link* to) {
  if (Empty(*from)) return;
  to->next = from->next;
  to->previous = from->previous;
  to->next->previous = to;
  to->previous->next = to;
  from->previous = from->next = from;
}

}  // namespace

void TimerWheel::Entry::Cancel() {
  if (wheel_ == nullptr) return;
  Unlink(this);
  --wheel_->armed_;
  wheel_ = nullptr;
}

uint64_t TimerWheel::TickAtOrAfter(absl::Time time) const {
  if (time <= epoch_) return 0;
  constexpr uint64_t kFarthest = (uint64_t{1} << (kBitsPerLevel * kLevels)) - 1;
  const int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(time - epoch_, absl::Milliseconds(1)));
  return std::min(static_cast<uint64_t>(ms), kFarthest);
}

void TimerWheel::Arm(Entry* entry, absl::Time deadline) {
  entry->Cancel();
  entry->wheel_ = this;
  entry->deadline_ = deadline;
  entry->tick_ = TickAtOrAfter(deadline);
  ++armed_;
  Insert(entry);
}

void TimerWheel::Insert(Entry* entry) {
  if (entry->tick_ <= now_) {
    Append(&due_, entry);
    return;
  }
  // The level is that of the highest digit in which the deadline differs from now.
  const int highest_bit = 63 - std::countl_zero(entry->tick_ ^ now_);
  const int level = highest_bit / kBitsPerLevel;
  const int slot = static_cast<int>(entry->tick_ >> (level * kBitsPerLevel)) & (kSlots - 1);
  Append(&levels_[level].slots[slot], entry);
  levels_[level].occupied |= uint64_t{1} << slot;
}

std::optional<uint64_t> TimerWheel::NextTick() const {
  if (armed_ == 0) return std::nullopt;
  if (!Empty(due_)) return now_;
  for (int level = 0; level < kLevels; ++level) {
    Level& l = levels_[level];
    while (l.occupied != 0) {
      const int slot = std::countr_zero(l.occupied);
      if (Empty(l.slots[slot])) {
        l.occupied &= l.occupied - 1;
        continue;
      }
      const int shift = level * kBitsPerLevel;
      const uint64_t above = now_ >> (shift + kBitsPerLevel) << (shift + kBitsPerLevel);
      return above | (static_cast<uint64_t>(slot) << shift);
    }
  }
  return std::nullopt;
}

std::optional<absl::Time> TimerWheel::NextWakeUp() const {
  const std::optional<uint64_t> tick = NextTick();
  if (!tick.has_value()) return std::nullopt;
  return TimeOf(*tick);
}

void TimerWheel::Expire(Link* ring) {
  while (!Empty(*ring)) {
    auto* entry = static_cast<Entry*>(ring->next);
    entry->Cancel();
    entry->Expire();  // may cancel or arm any entry, and may destroy this one
  }
}

void TimerWheel::Advance(absl::Time now) {
  const uint64_t target =
      now <= epoch_ ? 0 : static_cast<uint64_t>(absl::ToInt64Milliseconds(now - epoch_));
  Link fire;
  Splice(&due_, &fire);
  while (true) {
    const std::optional<uint64_t> next = NextTick();
    if (!next.has_value() || *next > target || *next <= now_) break;
    now_ = *next;
    // Everything in the slot that begins now: due, or to be sorted into finer slots.
    for (int level = 0; level < kLevels; ++level) {
      const int shift = level * kBitsPerLevel;
      if ((now_ & ((uint64_t{1} << shift) - 1)) != 0) break;
      const int slot = static_cast<int>(now_ >> shift) & (kSlots - 1);
      Link ring;
      Splice(&levels_[level].slots[slot], &ring);
      while (!Empty(ring)) {
        auto* entry = static_cast<Entry*>(ring.next);
        Unlink(entry);
        if (entry->tick_ <= now_) {
          Append(&fire, entry);
        } else {
          Insert(entry);
        }
      }
    }
  }
  now_ = std::max(now_, target);
  Expire(&fire);
}

}  // namespace tlsbridge
