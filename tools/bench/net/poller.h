// An edge-triggered epoll loop turn.
//
// One thread. A handler is registered once for both directions; closing its descriptor unregisters
// it. It must live until the turn in which its descriptor is closed has ended, unless it is the
// handler that runs.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "tools/bench/net/unique_fd.h"

namespace tlsbridge::bench {

class FdHandler {
 public:
  virtual void OnReady(uint32_t epoll_events) = 0;

 protected:
  ~FdHandler() = default;
};

class Poller {
 public:
  Poller();
  // `handler` is not owned.
  void Add(int fd, FdHandler* handler);
  // Waits for events, at most `timeout`, and runs their handlers.
  void Turn(absl::Duration timeout);

 private:
  UniqueFd epoll_;
};

}  // namespace tlsbridge::bench
