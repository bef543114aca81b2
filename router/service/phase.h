// Where the service is in its life: one table of what each phase does and what may follow it.
//
// Thread: any. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>

namespace tlsbridge {

enum class Phase : uint8_t {
  kStarting,  // opens what it needs
  kServing,
  kLeaving,     // told to stop: accepts on, while load balancers take notice
  kHandedOver,  // another process serves in its place; connections go on until they end
  kDraining,    // accepts nobody; connections end as they fall idle
  kEnding,      // the time to drain is over: all end, each with its grace
  kCutting,     // patience is over as well: without a grace
  kStopped,     // no connection is left
};

namespace phase_internal {

constexpr uint8_t After(Phase phase) { return static_cast<uint8_t>(1 << static_cast<int>(phase)); }

struct Row {
  Phase phase;
  const char* name;
  bool ready;  // new clients are welcome, and reloads
  uint8_t may_follow;
};

// clang-format off
inline constexpr std::array<Row, 8> kTable = {{
    // phase            name        ready   what may follow
    {Phase::kStarting, "starting", false,  After(Phase::kServing)},
    {Phase::kServing, "serving", true,   After(Phase::kLeaving) | After(Phase::kHandedOver)},
    {Phase::kLeaving, "leaving", false,  After(Phase::kDraining)},
    {Phase::kHandedOver, "handed_over", false,  After(Phase::kDraining) | After(Phase::kEnding) | After(Phase::kStopped)},
    {Phase::kDraining, "draining", false,  After(Phase::kEnding) | After(Phase::kStopped)},
    {Phase::kEnding, "ending", false,  After(Phase::kCutting) | After(Phase::kStopped)},
    {Phase::kCutting, "cutting", false,  After(Phase::kStopped)},
    {Phase::kStopped, "stopped", false,  0},
}};
// clang-format on

constexpr bool TableIsInOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].phase) != i) return false;
  }
  return true;
}
static_assert(TableIsInOrder());

}  // namespace phase_internal

constexpr bool IsReady(Phase phase) {
  return phase_internal::kTable[static_cast<size_t>(phase)].ready;
}

constexpr const char* PhaseName(Phase phase) {
  return phase_internal::kTable[static_cast<size_t>(phase)].name;
}

constexpr bool MayFollow(Phase from, Phase to) {
  return (phase_internal::kTable[static_cast<size_t>(from)].may_follow &
          phase_internal::After(to)) != 0;
}

}  // namespace tlsbridge
