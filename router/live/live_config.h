// The configuration as it is served: every file read, every backend known, ready for connections.
//
// A reload makes a new one from files and the one before: a route that is what it was is the same
// object; of others stay the state by name (route_state.h) and what files held that have become
// bad. A connection keeps its route, not the whole.
//
// Thread: made on one, then immutable and read by all; what is shared through its pointers guards
// itself. Owner: everybody who serves from it, by shared_ptr. Failure: Load() returns a Status that
// names the file or field; nothing of a configuration that fails is used.
#pragma once

#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bridge/event/clock.h"
#include "router/backends/backend_pool.h"
#include "router/config/config.h"
#include "router/live/route_state.h"
#include "router/live/route_tls.h"
#include "router/routes/route_table.h"
#include "tls/hello/client_hello.h"

namespace tlsbridge {

struct LiveRoute {
  std::shared_ptr<const Route> settings;
  RouteTls tls;
  std::shared_ptr<RouteState> state;
  std::shared_ptr<BackendPool> backends;  // null for a route that blocks
};

class LiveConfig {
 public:
  // Reads what `config` names. `previous` may be null. `clock` decides which certificates are
  // valid, and when session tickets get new keys; it must outlive every session.
  // At a start, a route whose files are bad is down (RouteTls::down) and the others are served; at
  // a reload it stays down, but one that is served or new must be good. One route at least that
  // forwards must be served.
  static absl::StatusOr<std::shared_ptr<const LiveConfig>> Load(Config config,
                                                                const LiveConfig* previous,
                                                                const Clock* clock);
  // The same configuration with what its files hold now; `current` itself, if no file has changed.
  // Files that have become bad are told of in their FileSet, which goes on serving.
  static std::shared_ptr<const LiveConfig> Renew(std::shared_ptr<const LiveConfig> current,
                                                 const Clock* clock);
  // The same with TLS that is there already, one for each route.
  static absl::StatusOr<std::shared_ptr<const LiveConfig>> Assemble(Config config,
                                                                    std::vector<RouteTls> tls,
                                                                    const LiveConfig* previous,
                                                                    absl::Time now);

  LiveConfig(const LiveConfig&) = delete;
  LiveConfig& operator=(const LiveConfig&) = delete;

  const Config& config() const { return *config_; }
  absl::Span<const std::shared_ptr<const LiveRoute>> routes() const { return routes_; }

  // The route of a client that asks for `hello` on the listener's `port`; null for none.
  std::shared_ptr<const LiveRoute> Find(uint16_t port, const SocketAddress& client,
                                        const tls::ClientHello& hello) const;
  // Whether a peer on a listener, by the address that that was bound to, begins with a PROXY
  // header.
  bool ExpectsProxyHeader(const SocketAddress& listener, const SocketAddress& peer) const;
  const LiveRoute* ByName(absl::string_view name) const { return Share(name).get(); }
  std::shared_ptr<const LiveRoute> Share(absl::string_view name) const;

  // Names of the routes that are down.
  std::vector<std::string> Down() const;

  // What routes have counted that are not served any more.
  RouteTotals TotalsOfRemoved() const;

  // What applies to a connection until it has a route: the most patient of all routes.
  const std::shared_ptr<const LiveRoute>& unrouted() const { return unrouted_; }

 private:
  LiveConfig(std::shared_ptr<const Config> config, std::shared_ptr<const RouteTable> table,
             std::shared_ptr<RouteStates> states);

  void AddRoute(std::shared_ptr<const LiveRoute> route);

  // Shared by all that were renewed from one.
  const std::shared_ptr<const Config> config_;
  const std::shared_ptr<const RouteTable> table_;
  const std::shared_ptr<RouteStates> states_;  // of all that come one after the other
  const std::shared_ptr<const LiveRoute> unrouted_;
  std::vector<std::shared_ptr<const LiveRoute>> routes_;
  absl::flat_hash_map<absl::string_view, size_t> by_name_;
};

}  // namespace tlsbridge
