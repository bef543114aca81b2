// Keeps what is known of every route's backends up to date: what their names mean, and whether they
// are well.
//
// Thread: the control loop's. Owner: the router; it lives as long as the configuration that it was
// made for is served. The loop and the counters outlive it. Failure: never; see RouteResolver and
// HealthChecker.
#pragma once

#include <memory>
#include <vector>

#include "bridge/event/event_loop.h"
#include "bridge/live_counters.h"
#include "router/backends/health_checker.h"
#include "router/backends/route_resolver.h"
#include "router/live/live_config.h"

namespace tlsbridge {

class BackendWatch {
 public:
  BackendWatch(EventLoop* loop, LiveCounters* live, const LiveConfig& config);

 private:
  struct Watched {
    std::unique_ptr<HealthChecker> checker;   // null if the route has no checks
    std::unique_ptr<RouteResolver> resolver;  // null if no backend has a name
  };

  std::vector<std::unique_ptr<Watched>> routes_;
};

}  // namespace tlsbridge
