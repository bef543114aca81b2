// Checks every endpoint of a route again and again, and tells the pool what it found.
//
// An endpoint is checked each interval, varied by 20 % each way, beginning at a random point of the
// first one: replicas and endpoints are spread over time. One check at a time for each endpoint;
// one that takes longer than the interval delays the next. An endpoint is healthy until enough
// checks in a row say otherwise. Each change is logged. A check that this machine could not make,
// for want of descriptors or the like, says neither. A backend that gets PROXY headers gets one
// from each check.
//
// Thread: the control loop's. Owner: the router, beside the route; loop and counters outlive it.
// Failure: never.
#pragma once

#include <stdint.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "bridge/live_counters.h"
#include "router/backends/backend_pool.h"
#include "router/backends/health_probe.h"
#include "router/config/config.h"
#include "tls/backend_context.h"
#include "tls/staging.h"

namespace tlsbridge {

// Results in a row.
class HealthVote {
 public:
  // What the endpoint is now that `passed` has been seen, having been `healthy`.
  bool Evaluate(const HealthCheck& settings, bool passed, bool healthy);

 private:
  int in_row_ = 0;
  bool last_passed_ = true;
};

class HealthChecker {
 public:
  // `tls` is for HealthCheck::Kind::kTls: the context that the route's own connections use, or one
  // that verifies nothing.
  HealthChecker(EventLoop* loop, LiveCounters* live, const Route& route,
                std::shared_ptr<BackendPool> pool, std::shared_ptr<const tls::BackendContext> tls,
                uint64_t seed);
  HealthChecker(const HealthChecker&) = delete;
  HealthChecker& operator=(const HealthChecker&) = delete;
  ~HealthChecker();

  // After each change of the pool's endpoints.
  void Sync();
  // The same checks, of another pool's endpoints from now on; those that stay are not disturbed.
  void Adopt(std::shared_ptr<BackendPool> pool);
  // Whether it checks as `route` wants it.
  bool ChecksBy(const Route& route, const std::shared_ptr<const tls::BackendContext>& tls) const {
    return settings_ == route.health && send_proxy_ == route.send_proxy && tls_ == tls;
  }

  size_t endpoints() const { return checks_.size(); }

 private:
  struct Check;

  void Start(Check* check);
  void OnResult(Check* check, const absl::Status& status);
  std::unique_ptr<ProbeTalk> MakeTalk(const Check& check);

  EventLoop* const loop_;     // Not owned.
  LiveCounters* const live_;  // Not owned.
  const std::string route_;
  const HealthCheck settings_;
  const ProxyProtocol send_proxy_;
  std::shared_ptr<BackendPool> pool_;
  const std::shared_ptr<const tls::BackendContext> tls_;
  std::minstd_rand random_;
  std::unique_ptr<tls::Staging> staging_;  // kTls only: it is large
  std::map<EndpointId, std::unique_ptr<Check>> checks_;
};

}  // namespace tlsbridge
