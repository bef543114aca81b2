// Keeps the pool of a route true to what the names of its backends mean.
//
// It outlives the pool: when another configuration brings another one, the names that stay are not
// asked for again, and the new pool learns at once what they mean.
//
// Plaintext stays on this machine, unless the route says otherwise: of what a name means, only
// loopback addresses are used then, and the others are told of.
//
// Thread: the control loop's. Owner: the router, beside the route; the loop outlives it. Failure:
// never; a name that does not resolve has no endpoints until it does.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "router/backends/backend_pool.h"
#include "router/backends/dns_client.h"
#include "router/backends/name_watcher.h"
#include "router/config/config.h"

namespace tlsbridge {

class RouteResolver {
 public:
  // `client` asks as `settings` say. `on_change` is called after each change of the pool, never
  // before this returns. `before`, which had other settings, may be null; from it comes what names
  // mean until they are asked for.
  RouteResolver(EventLoop* loop, std::unique_ptr<DnsClient> client, const DnsSettings& settings,
                absl::AnyInvocable<void()> on_change,
                std::unique_ptr<RouteResolver> before = nullptr);

  // Watches the names of `route`, and no others. `pool` is made for `route`.
  void Adopt(const Route& route, std::shared_ptr<BackendPool> pool);

  const DnsSettings& settings() const { return settings_; }
  bool has_names() const { return !watchers_.empty(); }

 private:
  void Watch(const BackendAddress& address);
  void Publish(const std::string& name, std::vector<ResolvedEndpoint> endpoints);
  void KeepLoopback(const std::string& name, std::vector<ResolvedEndpoint>* endpoints);

  EventLoop* const loop_;  // Not owned.
  const DnsSettings settings_;
  absl::AnyInvocable<void()> on_change_;
  const std::unique_ptr<DnsClient> client_;
  std::minstd_rand random_;
  std::shared_ptr<BackendPool> pool_;
  std::vector<std::string> backends_;  // of the route, as the pool numbers them
  bool loopback_only_ = false;
  absl::flat_hash_map<std::string, std::string> left_out_;  // by name: what was told of last
  std::unique_ptr<RouteResolver> before_;                   // until names have been adopted
  // By name. Last, since they ask the client.
  absl::flat_hash_map<std::string, std::unique_ptr<NameWatcher>> watchers_;
};

}  // namespace tlsbridge
