#include "router/live/live_config.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

bool Covers(const std::vector<PortRange>& ports, uint16_t port) {
  return ports.empty() || std::any_of(ports.begin(), ports.end(), [port](const PortRange& range) {
           return range.first <= port && port <= range.last;
         });
}

// None if all that the client offers is too old.
std::optional<TlsVersion> BestVersion(const tls::ClientHello& hello) {
  const auto offers = [&hello](uint16_t version) {
    return std::find(hello.versions.begin(), hello.versions.end(), version) != hello.versions.end();
  };
  if (offers(0x0304)) return TlsVersion::kTls13;
  if (offers(0x0303)) return TlsVersion::kTls12;
  return std::nullopt;
}

bool NamesFiles(const RouteTls& tls) {
  bool any = false;
  ForEachFileSet(tls, [&any](const FileSetState&) { any = true; });
  return any;
}

// What is patient enough for every route.
Route Unrouted(const Config& config) {
  Route unrouted;
  if (config.routes.empty()) return unrouted;
  unrouted.bridge = config.routes.front().bridge;
  unrouted.timeouts.handshake = absl::ZeroDuration();
  for (const Route& route : config.routes) {
    unrouted.timeouts.handshake = std::max(unrouted.timeouts.handshake, route.timeouts.handshake);
    unrouted.bridge.grace = std::max(unrouted.bridge.grace, route.bridge.grace);
  }
  return unrouted;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LiveConfig>> LiveConfig::Load(Config config,
                                                                   const LiveConfig* previous,
                                                                   const Clock* clock) {
  std::vector<RouteTls> tls;
  for (const Route& route : config.routes) {
    const LiveRoute* before = previous == nullptr ? nullptr : previous->ByName(route.name);
    const ServedRoute served = {before == nullptr ? nullptr : before->settings,
                                before == nullptr ? nullptr : &before->tls};
    auto loaded = LoadRouteTls(route, before == nullptr ? nullptr : &served, Reread::kAll,
                               [clock] { return clock->Wall(); });
    if (!loaded.ok()) {
      if (config.routes.size() == 1) return loaded.status();
      return absl::Status(loaded.status().code(),
                          absl::StrCat("route ", route.name, ": ", loaded.status().message()));
    }
    tls.push_back(*std::move(loaded));
  }
  return Assemble(std::move(config), std::move(tls), previous, clock->Monotonic());
}

absl::StatusOr<std::shared_ptr<const LiveConfig>> LiveConfig::Assemble(Config config,
                                                                       std::vector<RouteTls> tls,
                                                                       const LiveConfig* previous,
                                                                       absl::Time now) {
  auto table = RouteTable::Create(config.routes);
  if (!table.ok()) return table.status();
  std::shared_ptr<LiveConfig> live(
      new LiveConfig(std::make_shared<const Config>(std::move(config)),
                     std::make_shared<const RouteTable>(*std::move(table))));
  for (const Route& settings : live->config().routes) {
    const LiveRoute* before = previous == nullptr ? nullptr : previous->ByName(settings.name);
    LiveRoute route;
    route.settings = &settings;
    route.tls = std::move(tls[live->routes_.size()]);
    if (settings.action == RouteAction::kForward) {
      route.backends =
          BackendPool::Create(settings, now, before == nullptr ? nullptr : before->backends.get());
    }
    route.admission =
        before == nullptr ? std::make_shared<Admission>(settings.limits) : before->admission;
    live->AddRoute(std::move(route));
  }
  return std::shared_ptr<const LiveConfig>(std::move(live));
}

std::shared_ptr<const LiveConfig> LiveConfig::Renew(std::shared_ptr<const LiveConfig> current,
                                                    const Clock* clock) {
  std::shared_ptr<LiveConfig> live(new LiveConfig(current->config_, current->table_));
  bool changed = false;
  for (const LiveRoute& before : current->routes_) {
    LiveRoute route = before;
    if (!NamesFiles(before.tls)) {
      live->AddRoute(std::move(route));
      continue;
    }
    const ServedRoute served = {before.settings, &before.tls};
    auto loaded = LoadRouteTls(*before.settings, &served, Reread::kChanged,
                               [clock] { return clock->Wall(); });
    // Each set is good by itself, or what it was: there is nothing that could fail.
    if (loaded.ok() && !IsUnchanged(before.tls, *loaded)) {
      route.tls = *std::move(loaded);
      changed = true;
    }
    live->AddRoute(std::move(route));
  }
  if (!changed) return current;
  return live;
}

LiveConfig::LiveConfig(std::shared_ptr<const Config> config,
                       std::shared_ptr<const RouteTable> table)
    : config_(std::move(config)),
      unrouted_settings_(Unrouted(*config_)),
      unrouted_{.settings = &unrouted_settings_},
      table_(std::move(table)) {}

void LiveConfig::AddRoute(LiveRoute route) {
  by_name_.emplace(route.settings->name, routes_.size());
  routes_.push_back(std::move(route));
}

const LiveRoute* LiveConfig::Find(uint16_t port, const SocketAddress& client,
                                  const tls::ClientHello& hello) const {
  RouteTable::Query query;
  query.port = port;
  if (IpBytes bytes; ToIpBytes(client, &bytes)) query.client = bytes;
  query.server_name = hello.server_name;
  query.alpn = hello.alpn;
  query.best_version = BestVersion(hello);
  const auto index = table_->Find(query);
  return index.has_value() ? &routes_[*index] : nullptr;
}

const LiveRoute* LiveConfig::AnyThatTerminates(uint16_t port) const {
  for (const LiveRoute& route : routes_) {
    if (route.tls.server != nullptr && Covers(route.settings->match.ports, port)) return &route;
  }
  return nullptr;
}

bool LiveConfig::ExpectsProxyHeader(const SocketAddress& listener,
                                    const SocketAddress& peer) const {
  for (const Listener& settings : config_->listeners) {
    if (!settings.address.IsOrBecame(listener)) continue;
    if (peer.is_unix()) return settings.proxy_protocol_from_unix;
    return std::any_of(settings.proxy_protocol_from.begin(), settings.proxy_protocol_from.end(),
                       [&peer](const Cidr& block) { return block.Contains(peer); });
  }
  return false;
}

const LiveRoute* LiveConfig::ByName(absl::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &routes_[it->second];
}

}  // namespace tlsbridge
