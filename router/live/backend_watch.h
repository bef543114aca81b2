// Keeps what is known of every route's backends up to date: what their names mean, and whether they
// are well.
//
// It outlives configurations: checks and lookups that the next one has as well go on undisturbed.
// Lookups have a thread of their own, one for all routes.
//
// Thread: the control loop's. Owner: the router. The loop and the counters outlive it. Failure:
// never; see RouteResolver and HealthChecker.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "bridge/event/event_loop.h"
#include "bridge/live_counters.h"
#include "router/backends/dns_client.h"
#include "router/backends/dns_thread.h"
#include "router/backends/health_checker.h"
#include "router/backends/route_resolver.h"
#include "router/live/live_config.h"

namespace tlsbridge {

class BackendWatch {
 public:
  // Where names are looked up.
  enum class Lookups : uint8_t { kThread, kLoop };

  BackendWatch(EventLoop* loop, LiveCounters* live, Lookups lookups = Lookups::kThread)
      : loop_(loop), live_(live), lookups_(lookups) {}
  BackendWatch(const BackendWatch&) = delete;
  BackendWatch& operator=(const BackendWatch&) = delete;

  // Watches the backends of `config`'s routes, which is what is served from now on, and no others.
  void Adopt(const LiveConfig& config);

 private:
  // Of one route.
  struct Watched {
    std::shared_ptr<BackendPool> pool;
    std::shared_ptr<const tls::BackendContext> lenient_tls;  // for checks of backends in the clear
    std::unique_ptr<HealthChecker> checker;                  // null if the route has no checks
    std::unique_ptr<RouteResolver> resolver;                 // null if no backend has a name
  };

  void Update(const LiveRoute& route, Watched* watched);
  std::unique_ptr<DnsClient> MakeDnsClient(const DnsSettings& settings);
  void UpdateNames(const LiveRoute& route, Watched* watched);
  void UpdateChecks(const LiveRoute& route, Watched* watched);

  EventLoop* const loop_;     // Not owned.
  LiveCounters* const live_;  // Not owned.
  const Lookups lookups_;
  std::unique_ptr<DnsThread> dns_;  // null until a backend has a name
  absl::flat_hash_map<std::string, std::unique_ptr<Watched>> routes_;
};

}  // namespace tlsbridge
