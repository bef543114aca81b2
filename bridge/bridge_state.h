// Where a bridge is in its life: one step, and how far the two streams have come. All else that a
// bridge holds follows from these, as the table says.
//
//   peeking, awaiting turn -> handshaking <-> input awaiting turn, signing
//   -> routing <-> dialling, backend handshaking -> bridging -> half-closed, serving the rest;
//   each of these -> ended -> draining -> closed. MayFollow() says it exactly.
//
// Thread: any. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>

#include "bridge/ending.h"

namespace tlsbridge {

// What users of a bridge tell apart.
enum class BridgeState : uint8_t {
  kPeeking,  // the client's first bytes go to the observer, which says what they are
  kHandshaking,
  kRouting,     // the client is ready; no backend is being dialled
  kConnecting,  // the backend is being dialled
  kBridging,
  kHalfClosed,  // one stream has ended
  kDraining,    // the end is decided; the sockets are being closed
  kClosed,
};

const char* BridgeStateName(BridgeState state);

// In the order of a life; before kRouting it is the client's handshake.
enum class BridgeStep : uint8_t {
  kPeeking,
  kAwaitingTurn,  // the client is understood; its first bytes are kept until its handshake's turn
  kHandshaking,
  kInputAwaitingTurn,  // its handshake can go on, in its turn
  kSigning,            // its handshake waits for a signature
  kRouting,
  kDialling,
  kBackendHandshaking,
  kBridging,
  kHalfClosed,
  kServingRest,  // one peer has failed; the other is being given what had come before
  kEnded,        // the end has been reported; Cleanup() is due
  kDraining,
  kClosed,
};
inline constexpr size_t kBridgeSteps = static_cast<size_t>(BridgeStep::kClosed) + 1;

// Which streams are complete, and which was first.
enum class Streams : uint8_t {
  kBothOpen,
  kClientEnded,
  kBackendEnded,
  kBothEndedClientFirst,
  kBothEndedBackendFirst,
};
inline constexpr size_t kStreams = static_cast<size_t>(Streams::kBothEndedBackendFirst) + 1;

constexpr bool HasEnded(Streams streams, Side side) {
  if (streams == Streams::kBothOpen) return false;
  if (streams == Streams::kClientEnded) return side == Side::kIncoming;
  if (streams == Streams::kBackendEnded) return side == Side::kOutgoing;
  return true;
}

// REQUIRES: that of `side` has not ended before.
constexpr Streams WithEndOf(Streams streams, Side side) {
  if (streams == Streams::kBothOpen) {
    return side == Side::kIncoming ? Streams::kClientEnded : Streams::kBackendEnded;
  }
  return side == Side::kOutgoing ? Streams::kBothEndedClientFirst : Streams::kBothEndedBackendFirst;
}

constexpr bool ClientEndedFirst(Streams streams) {
  return streams == Streams::kClientEnded || streams == Streams::kBothEndedClientFirst;
}

// What a bridge holds.
struct BridgeParts {
  bool client_tls = false;     // a session with the client
  bool race = false;           // the dialler
  bool backend = false;        // a backend's socket
  bool backend_ready = false;  // that takes the client's bytes: TLS with it, if any, stands
  bool first_bytes = false;    // kept until the handshake's turn
  bool early_bytes = false;    // the client's, kept until there is a backend
  bool rest = false;           // an end that waits until one side has what is due to it
  bool closing = false;        // the timer of the grace
};

namespace bridge_state_internal {

// Of a part, in a step.
enum class Has : uint8_t { kNo, kYes, kMay };

constexpr bool Allows(Has has, bool held) { return has == Has::kMay || held == (has == Has::kYes); }

inline constexpr uint8_t kOpen = 1 << static_cast<int>(Streams::kBothOpen);
inline constexpr uint8_t kClient = 1 << static_cast<int>(Streams::kClientEnded);
inline constexpr uint8_t kBackend = 1 << static_cast<int>(Streams::kBackendEnded);
inline constexpr uint8_t kBoth = 1 << static_cast<int>(Streams::kBothEndedClientFirst) |
                                 1 << static_cast<int>(Streams::kBothEndedBackendFirst);
inline constexpr uint8_t kAny = kOpen | kClient | kBackend | kBoth;

struct Row {
  BridgeStep step;
  BridgeState state;
  uint8_t streams;
  Has client_tls, race, backend, backend_ready, first_bytes, early_bytes, rest, closing;
};

inline constexpr Has kN = Has::kNo;
inline constexpr Has kY = Has::kYes;
inline constexpr Has kM = Has::kMay;

// clang-format off
inline constexpr std::array<Row, kBridgeSteps> kTable = {{
    //                                                                                 client   backend  first      rest
    // step                            state                       streams            tls  race is   ready bytes early    closing
    {BridgeStep::kPeeking,              BridgeState::kPeeking,      kOpen,             kN,  kN,  kN,  kN,  kN,  kN,  kN,  kN},
    {BridgeStep::kAwaitingTurn,         BridgeState::kPeeking,      kOpen,             kN,  kN,  kN,  kN,  kY,  kN,  kN,  kN},
    {BridgeStep::kHandshaking,          BridgeState::kHandshaking,  kOpen,             kY,  kN,  kN,  kN,  kN,  kN,  kN,  kN},
    {BridgeStep::kInputAwaitingTurn,    BridgeState::kHandshaking,  kOpen,             kY,  kN,  kN,  kN,  kM,  kN,  kN,  kN},
    {BridgeStep::kSigning,              BridgeState::kHandshaking,  kOpen,             kY,  kN,  kN,  kN,  kN,  kN,  kN,  kN},
    {BridgeStep::kRouting,              BridgeState::kRouting,      kOpen | kClient,   kM,  kN,  kN,  kN,  kN,  kM,  kN,  kN},
    {BridgeStep::kDialling,             BridgeState::kConnecting,   kOpen | kClient,   kM,  kY,  kN,  kN,  kN,  kM,  kN,  kN},
    {BridgeStep::kBackendHandshaking,   BridgeState::kConnecting,   kOpen | kClient,   kM,  kN,  kY,  kN,  kN,  kM,  kN,  kN},
    {BridgeStep::kBridging,             BridgeState::kBridging,     kOpen,             kM,  kN,  kY,  kY,  kN,  kN,  kN,  kN},
    {BridgeStep::kHalfClosed,           BridgeState::kHalfClosed,   kAny & ~kOpen,     kM,  kN,  kY,  kY,  kN,  kN,  kN,  kN},
    {BridgeStep::kServingRest,          BridgeState::kHalfClosed,   kAny,              kM,  kN,  kY,  kY,  kN,  kN,  kY,  kN},
    {BridgeStep::kEnded,                BridgeState::kDraining,     kAny,              kM,  kM,  kM,  kM,  kM,  kM,  kM,  kN},
    {BridgeStep::kDraining,             BridgeState::kDraining,     kAny,              kM,  kM,  kM,  kM,  kN,  kM,  kM,  kY},
    {BridgeStep::kClosed,               BridgeState::kClosed,       kAny,              kM,  kN,  kM,  kM,  kN,  kN,  kM,  kY},
}};
// clang-format on

constexpr bool TableIsInOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].step) != i) return false;
  }
  return true;
}
static_assert(TableIsInOrder());

}  // namespace bridge_state_internal

constexpr BridgeState StateOf(BridgeStep step) {
  return bridge_state_internal::kTable[static_cast<size_t>(step)].state;
}

// Whether a bridge may be at `step` with these.
constexpr bool IsLegal(BridgeStep step, Streams streams, const BridgeParts& parts) {
  using bridge_state_internal::Allows;
  const auto& row = bridge_state_internal::kTable[static_cast<size_t>(step)];
  return (row.streams & (1 << static_cast<int>(streams))) != 0 &&
         Allows(row.client_tls, parts.client_tls) && Allows(row.race, parts.race) &&
         Allows(row.backend, parts.backend) && Allows(row.backend_ready, parts.backend_ready) &&
         Allows(row.first_bytes, parts.first_bytes) && Allows(row.early_bytes, parts.early_bytes) &&
         Allows(row.rest, parts.rest) && Allows(row.closing, parts.closing);
}

// Which step may follow which.
constexpr bool MayFollow(BridgeStep from, BridgeStep to) {
  using Step = BridgeStep;
  if (to == Step::kDraining) return from < Step::kDraining;
  if (to == Step::kClosed) return from == Step::kDraining;
  if (to == Step::kEnded) return from < Step::kEnded;
  switch (from) {
    case Step::kPeeking:
      return to == Step::kAwaitingTurn || to == Step::kHandshaking || to == Step::kRouting;
    case Step::kAwaitingTurn:
      return to == Step::kInputAwaitingTurn;
    case Step::kInputAwaitingTurn:
      return to == Step::kHandshaking;
    case Step::kHandshaking:
      return to == Step::kInputAwaitingTurn || to == Step::kSigning || to == Step::kRouting;
    case Step::kSigning:
      return to == Step::kHandshaking;
    case Step::kRouting:
      return to == Step::kDialling;
    case Step::kDialling:
      return to == Step::kBackendHandshaking || to == Step::kBridging || to == Step::kRouting;
    case Step::kBackendHandshaking:
      return to == Step::kBridging || to == Step::kRouting;
    case Step::kBridging:
      return to == Step::kHalfClosed || to == Step::kServingRest;
    case Step::kHalfClosed:
      return to == Step::kServingRest;
    default:
      return false;
  }
}

}  // namespace tlsbridge
