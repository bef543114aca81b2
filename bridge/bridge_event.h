// For bridge*.cc only: the check behind each event of a bridge.
#pragma once

#include "bridge/bridge.h"
#include "tls/check.h"

namespace tlsbridge {

#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kChecksStates = true;
#else
inline constexpr bool kChecksStates = false;
#endif

class Bridge::Event {
 public:
  explicit Event(const Bridge* bridge) : bridge_(bridge) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() {
    if constexpr (kChecksStates) {
      Check(IsLegal(bridge_->step_, bridge_->streams_, bridge_->parts()),
            "a bridge holds what its step does not allow");
    }
  }

 private:
  const Bridge* const bridge_;  // Not owned.
};

}  // namespace tlsbridge
