// Where a hand-over is: one table of what each step means for clients, and what may follow it.
//
// Thread: any. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>

namespace tlsbridge {

enum class HandoverStep : uint8_t {
  kIdle,        // none is under way
  kOffering,    // the successor has been started, and is sent what it takes over
  kAwaiting,    // it reads, checks and starts
  kYielding,    // it is ready; here nobody accepts any more, as soon as the accepting thread knows
  kConfirming,  // it has been told to go on, and has not said that it does
  kFailing,     // it is being ended; this process goes on
  kDone,        // it serves; this process never does again
};

namespace handover_internal {

constexpr uint8_t After(HandoverStep step) {
  return static_cast<uint8_t>(1 << static_cast<int>(step));
}

struct Row {
  HandoverStep step;
  bool accepts;  // this process does
  uint8_t may_follow;
};

// clang-format off
inline constexpr std::array<Row, 7> kTable = {{
    // step                       accepts  what may follow
    {HandoverStep::kIdle,         true,    After(HandoverStep::kOffering)},
    {HandoverStep::kOffering,     true,    After(HandoverStep::kAwaiting) | After(HandoverStep::kFailing)},
    {HandoverStep::kAwaiting,     true,    After(HandoverStep::kYielding) | After(HandoverStep::kFailing)},
    {HandoverStep::kYielding,     false,   After(HandoverStep::kConfirming) | After(HandoverStep::kFailing)},
    {HandoverStep::kConfirming,   false,   After(HandoverStep::kDone) | After(HandoverStep::kFailing)},
    {HandoverStep::kFailing,      true,    After(HandoverStep::kIdle)},
    {HandoverStep::kDone,         false,   0},
}};
// clang-format on

constexpr bool TableIsInOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].step) != i) return false;
  }
  return true;
}
static_assert(TableIsInOrder());

}  // namespace handover_internal

constexpr bool Accepts(HandoverStep step) {
  return handover_internal::kTable[static_cast<size_t>(step)].accepts;
}

constexpr bool MayFollow(HandoverStep from, HandoverStep to) {
  return (handover_internal::kTable[static_cast<size_t>(from)].may_follow &
          handover_internal::After(to)) != 0;
}

}  // namespace tlsbridge
