#include "router/handshakes/handshake_limit.h"

namespace tlsbridge {

Limits HandshakeLimit::WithDefault(Limits limits, int workers) {
  if (limits.handshakes == 0) limits.handshakes = kDefaultPerWorker * workers;
  return limits;
}

HandshakeLimit::Slot HandshakeLimit::Take() {
  if (waiting_.fetch_add(1, std::memory_order_relaxed) < limit()) return Slot(this);
  Release();
  return {};
}

HandshakeLimit::Slot HandshakeLimit::TakeAgain() {
  waiting_.fetch_add(1, std::memory_order_relaxed);
  return Slot(this);
}

}  // namespace tlsbridge
