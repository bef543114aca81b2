#include "bridge/bridge_state.h"

namespace tlsbridge {

const char* BridgeStateName(BridgeState state) {
  switch (state) {
    case BridgeState::kPeeking:
      return "peeking";
    case BridgeState::kHandshaking:
      return "handshaking";
    case BridgeState::kRouting:
      return "routing";
    case BridgeState::kConnecting:
      return "connecting";
    case BridgeState::kBridging:
      return "bridging";
    case BridgeState::kHalfClosed:
      return "half-closed";
    case BridgeState::kDraining:
      return "draining";
    case BridgeState::kClosed:
      return "closed";
  }
  return "closed";
}

}  // namespace tlsbridge
