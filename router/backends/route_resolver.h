// Keeps the pool of a route true to what the names of its backends mean.
//
// Thread: the control loop's. Owner: the router, beside the route; the loop outlives it. Failure:
// never; a name that does not resolve has no endpoints until it does.
#pragma once

#include <stdint.h>

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "router/backends/backend_pool.h"
#include "router/backends/dns_client.h"
#include "router/backends/name_watcher.h"
#include "router/config/config.h"

namespace tlsbridge {

class RouteResolver {
 public:
  // `pool` is that of `route`. `on_change` is called after each change of it, never before this
  // returns.
  RouteResolver(EventLoop* loop, const Route& route, std::shared_ptr<BackendPool> pool,
                uint64_t seed, absl::AnyInvocable<void()> on_change);

  bool has_names() const { return !watchers_.empty(); }

 private:
  absl::AnyInvocable<void()> on_change_;
  const std::unique_ptr<DnsClient> client_;
  std::vector<std::unique_ptr<NameWatcher>> watchers_;
};

}  // namespace tlsbridge
