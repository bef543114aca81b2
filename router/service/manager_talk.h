// What the service manager hears of this process: that it is ready, reloads or stops, how it is,
// that it lives, and while it drains that it needs more time.
//
// Thread: the control loop's. Owner: the router. What it is given outlives it. Failure: none
// (router/host/service_manager.h).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/host/service_manager.h"
#include "router/host/watchdog.h"
#include "router/service/phase.h"
#include "router/service/reloads.h"

namespace tlsbridge {

class ManagerTalk {
 public:
  // How often the status may change, and the time to stop is asked for.
  static constexpr absl::Duration kPace = absl::Seconds(5);

  // `status` says in a line how the service is; it is asked only if the manager listens.
  ManagerTalk(EventLoop* loop, ServiceManager* manager, std::vector<EventLoop*> workers,
              absl::AnyInvocable<std::string()> status);
  ManagerTalk(const ManagerTalk&) = delete;
  ManagerTalk& operator=(const ManagerTalk&) = delete;

  // Clients are served from now on.
  void Ready();
  void OnReload(Reloads::Asked asked);
  void OnPhase(Phase phase);

  // Another process is the service from now on; of this one nothing more is said.
  void HandOver(pid_t successor);

 private:
  std::string Status();
  void OnTimer();

  EventLoop* const loop_;                  // Not owned.
  ServiceManager* const manager_;          // Not owned.
  const std::vector<EventLoop*> workers_;  // Not owned.
  absl::AnyInvocable<std::string()> status_;
  std::string last_status_;  // the last status
  bool ready_ = false;
  bool stopping_ = false;
  bool silent_ = false;
  Timer timer_;
  std::unique_ptr<Watchdog> watchdog_;
};

}  // namespace tlsbridge
