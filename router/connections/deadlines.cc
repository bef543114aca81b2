#include "router/connections/deadlines.h"

#include <algorithm>

namespace tlsbridge {
namespace {

constexpr double kJitter = 0.05;

// Most half-closed connections are about to close; only one that stays so is worth eight system
// calls.
constexpr absl::Duration kHalfCloseSettles = absl::Seconds(5);

absl::Duration OrInfinite(absl::Duration timeout) {
  return timeout > absl::ZeroDuration() ? timeout : absl::InfiniteDuration();
}

void Earliest(Deadline* best, absl::Time at, TerminationReason reason) {
  if (at < best->at) *best = {at, reason};
}

bool HasEnded(BridgeState state) {
  return state == BridgeState::kDraining || state == BridgeState::kClosed;
}

TerminationReason ReasonOfAge(const ConnectionRecord& record) {
  return record.retired ? TerminationReason::kRouteRemoved : TerminationReason::kMaxLifetime;
}

// All ends but that by age.
void AddEnds(const ConnectionRecord& record, const Progress& progress, Deadline* next) {
  const Timeouts& timeouts = record.route->timeouts;
  const absl::Time inactive =
      progress.last_activity + EffectiveInactivity(timeouts, record.route->keep_alive);
  switch (progress.state) {
    case BridgeState::kPeeking:
    case BridgeState::kHandshaking:
      Earliest(next, record.accepted_at + OrInfinite(timeouts.handshake),
               TerminationReason::kHandshakeTimeout);
      break;
    case BridgeState::kRouting:
    case BridgeState::kConnecting:
      Earliest(next, record.connecting_since + OrInfinite(timeouts.connect),
               TerminationReason::kConnectTimeout);
      break;
    case BridgeState::kBridging:
      if (!progress.any_bytes) {
        Earliest(next, record.connected_at + OrInfinite(timeouts.initial_data),
                 TerminationReason::kInitialTimeout);
      }
      Earliest(next, inactive, TerminationReason::kInactivity);
      break;
    case BridgeState::kHalfClosed:
      Earliest(next, progress.last_activity + OrInfinite(timeouts.half_close),
               TerminationReason::kHalfCloseTimeout);
      if (timeouts.half_close <= absl::ZeroDuration()) {
        Earliest(next, inactive, TerminationReason::kInactivity);
      }
      break;
    case BridgeState::kDraining:
    case BridgeState::kClosed:
      break;
  }
}

// When something else is to be done.
void AddLooks(const ConnectionRecord& record, const Progress& progress, Deadline* next) {
  switch (progress.state) {
    case BridgeState::kRouting:
    case BridgeState::kConnecting:
      Earliest(next, record.attempt_ends_at, TerminationReason::kNone);
      break;
    case BridgeState::kBridging: {
      const KeepAlive& keep_alive = record.route->keep_alive;
      const absl::Duration inactivity = EffectiveInactivity(record.route->timeouts, keep_alive);
      if (keep_alive.treatment == KeepAliveTreatment::kExtended &&
          record.inactivity_warned_at < progress.last_activity &&
          inactivity < absl::InfiniteDuration()) {
        const absl::Duration warning = std::min(keep_alive.warning, inactivity / 2);
        Earliest(next, progress.last_activity + inactivity - warning, TerminationReason::kNone);
      }
      break;
    }
    case BridgeState::kHalfClosed:
      if (!record.keepalive_tightened) {
        Earliest(next, record.half_closed_at + kHalfCloseSettles, TerminationReason::kNone);
      }
      break;
    default:
      break;
  }
}

}  // namespace

absl::Duration EffectiveInactivity(const Timeouts& timeouts, const KeepAlive& keep_alive) {
  const absl::Duration base = OrInfinite(timeouts.inactivity);
  switch (keep_alive.treatment) {
    case KeepAliveTreatment::kStandard:
      return base;
    case KeepAliveTreatment::kExtended:
      return base * keep_alive.multiplier;
    case KeepAliveTreatment::kImmortal:
      return absl::InfiniteDuration();
  }
  return base;
}

absl::Duration WithJitter(absl::Duration lifetime, double random) {
  return OrInfinite(lifetime) * (1 - kJitter + 2 * kJitter * random);
}

Deadline NextDeadline(const ConnectionRecord& record, const Progress& progress) {
  Deadline next;
  if (HasEnded(progress.state)) return next;
  AddEnds(record, progress, &next);
  AddLooks(record, progress, &next);
  // One that is past its age and drains has other deadlines to meet meanwhile.
  Earliest(&next, std::max(record.accepted_at + record.lifetime, record.next_drain_look),
           ReasonOfAge(record));
  return next;
}

Deadline NextEnd(const ConnectionRecord& record, const Progress& progress,
                 absl::Duration drain_timeout) {
  Deadline next;
  if (HasEnded(progress.state)) return next;
  AddEnds(record, progress, &next);
  const bool drains = record.next_drain_look > absl::InfinitePast();
  Earliest(&next,
           record.accepted_at + record.lifetime + (drains ? drain_timeout : absl::ZeroDuration()),
           ReasonOfAge(record));
  return next;
}

}  // namespace tlsbridge
