#include "router/handshakes/handshake_limit.h"

namespace tlsbridge {

HandshakeLimit::Place HandshakeLimit::Take() {
  if (in_progress_.fetch_add(1, std::memory_order_relaxed) < limit()) return Place(this);
  Release();
  return {};
}

void HandshakeLimit::SetLimits(const Limits& limits) {
  limit_.store(limits.handshakes > 0 ? limits.handshakes : kDefaultPerWorker * workers_,
               std::memory_order_relaxed);
}

}  // namespace tlsbridge
