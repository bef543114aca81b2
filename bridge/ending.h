// The two sides of a bridge, and the ways in which a side's socket can end.
//
// Thread: any. Failure: none.
#pragma once

#include <stdint.h>

namespace tlsbridge {

// The client's socket and the backend's.
enum class Side : uint8_t { kIncoming, kOutgoing };

inline constexpr Side Other(Side side) {
  return side == Side::kIncoming ? Side::kOutgoing : Side::kIncoming;
}

enum class Ending : uint8_t {
  kGraceful,    // queued bytes, close_notify, FIN; what the peer still sends is drained
  kAlert,       // the same with the fatal alert internal_error in place of close_notify
  kQuiet,       // the same with nothing in its place: TLS has had its last word
  kFlushReset,  // queued bytes, and when the peer's kernel has them, RST
  kReset,       // RST at once
};

struct Endings {
  Ending incoming;
  Ending outgoing;
};

}  // namespace tlsbridge
