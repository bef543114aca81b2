#include "router/live/live_config.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

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
  ForEachFileSet(tls.files, [&any](const FileSetState&) { any = true; });
  return any;
}

// A route that is down, whose files may be good by now; itself if nothing has changed.
std::shared_ptr<const LiveRoute> TryAgain(const std::shared_ptr<const LiveRoute>& before,
                                          const Clock* clock) {
  auto loaded = LoadRouteTls(*before->settings, nullptr, Reread::kAll, ClocksOf(clock));
  RouteTls tls;
  if (loaded.ok()) {
    tls = *std::move(loaded);
  } else {
    tls.down = std::string(loaded.status().message());
  }
  if (tls.down == before->tls.down) return before;
  auto route = std::make_shared<LiveRoute>(*before);
  route->tls = std::move(tls);
  return route;
}

// What is patient enough for every route.
std::shared_ptr<const LiveRoute> Unrouted(const Config& config, RouteStates* states) {
  auto settings = std::make_shared<Route>();
  if (!config.routes.empty()) {
    settings->bridge = config.routes.front().bridge;
    settings->timeouts.handshake = absl::ZeroDuration();
    for (const Route& route : config.routes) {
      settings->timeouts.handshake =
          std::max(settings->timeouts.handshake, route.timeouts.handshake);
      settings->bridge.grace = std::max(settings->bridge.grace, route.bridge.grace);
    }
  }
  auto unrouted = std::make_shared<LiveRoute>();
  unrouted->settings = std::move(settings);
  unrouted->state = states->Get(/*route=*/"", Limits());
  return unrouted;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LiveConfig>> LiveConfig::Load(Config config,
                                                                   const LiveConfig* previous,
                                                                   const Clock* clock) {
  std::vector<RouteTls> tls;
  size_t served = 0;
  absl::Status failure;
  for (const Route& route : config.routes) {
    const LiveRoute* before = previous == nullptr ? nullptr : previous->ByName(route.name);
    const bool was_served = before != nullptr && before->tls.down.empty();
    const ServedRoute served_route = {was_served ? before->settings.get() : nullptr,
                                      was_served ? &before->tls : nullptr};
    auto loaded =
        LoadRouteTls(route, was_served ? &served_route : nullptr, Reread::kAll, ClocksOf(clock));
    if (loaded.ok()) {
      tls.push_back(*std::move(loaded));
      if (route.action == RouteAction::kForward) ++served;
      continue;
    }
    tls.emplace_back().down = std::string(loaded.status().message());
    absl::Status refusal = loaded.status();
    if (config.routes.size() > 1) {
      refusal =
          absl::Status(refusal.code(), absl::StrCat("route ", route.name, ": ", refusal.message()));
    }
    const bool was_down = before != nullptr && !was_served;
    if (previous != nullptr && !was_down) return refusal;
    failure.Update(refusal);
  }
  if (served == 0 && !failure.ok()) return failure;
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
                     std::make_shared<const RouteTable>(*std::move(table)),
                     previous == nullptr ? std::make_shared<RouteStates>() : previous->states_));
  for (const Route& settings : live->config().routes) {
    RouteTls& its_tls = tls[live->routes_.size()];
    const std::shared_ptr<const LiveRoute> before =
        previous == nullptr ? nullptr : previous->Share(settings.name);
    if (before != nullptr && *before->settings == settings && IsUnchanged(before->tls, its_tls)) {
      live->AddRoute(before);
      continue;
    }
    auto route = std::make_shared<LiveRoute>();
    route->settings = std::make_shared<const Route>(settings);
    route->tls = std::move(its_tls);
    route->state = live->states_->Get(settings.name, settings.limits);
    if (settings.action == RouteAction::kForward) {
      route->backends = BackendPool::Create(settings, now, route->state->endpoints,
                                            before == nullptr ? nullptr : before->backends.get());
    }
    live->AddRoute(std::move(route));
  }
  return std::shared_ptr<const LiveConfig>(std::move(live));
}

std::shared_ptr<const LiveConfig> LiveConfig::Renew(std::shared_ptr<const LiveConfig> current,
                                                    const Clock* clock) {
  std::shared_ptr<LiveConfig> live(
      new LiveConfig(current->config_, current->table_, current->states_));
  bool changed = false;
  for (const std::shared_ptr<const LiveRoute>& before : current->routes_) {
    if (!before->tls.down.empty()) {
      live->AddRoute(TryAgain(before, clock));
      changed = changed || live->routes_.back() != before;
      continue;
    }
    if (!NamesFiles(before->tls)) {
      live->AddRoute(before);
      continue;
    }
    const ServedRoute served = {before->settings.get(), &before->tls};
    auto loaded = LoadRouteTls(*before->settings, &served, Reread::kChanged, ClocksOf(clock));
    // Each set is good by itself, or what it was: there is nothing that could fail.
    if (!loaded.ok() || IsUnchanged(before->tls, *loaded)) {
      live->AddRoute(before);
      continue;
    }
    auto route = std::make_shared<LiveRoute>(*before);
    route->tls = *std::move(loaded);
    live->AddRoute(std::move(route));
    changed = true;
  }
  if (!changed) return current;
  return live;
}

LiveConfig::LiveConfig(std::shared_ptr<const Config> config,
                       std::shared_ptr<const RouteTable> table, std::shared_ptr<RouteStates> states)
    : config_(std::move(config)),
      table_(std::move(table)),
      states_(std::move(states)),
      unrouted_(Unrouted(*config_, states_.get())) {}

void LiveConfig::AddRoute(std::shared_ptr<const LiveRoute> route) {
  by_name_.emplace(route->settings->name, routes_.size());
  routes_.push_back(std::move(route));
}

std::shared_ptr<const LiveRoute> LiveConfig::Find(uint16_t port, const SocketAddress& client,
                                                  const tls::ClientHello& hello) const {
  RouteTable::Query query;
  query.port = port;
  if (IpBytes bytes; ToIpBytes(client, &bytes)) query.client = bytes;
  query.server_name = hello.server_name;
  query.alpn = hello.alpn;
  query.best_version = BestVersion(hello);
  const auto index = table_->Find(query);
  return index.has_value() ? routes_[*index] : nullptr;
}

bool LiveConfig::ExpectsProxyHeader(const SocketAddress& listener,
                                    const SocketAddress& peer) const {
  // The one of that very address, if there is one: another on the same host that left its port to
  // the kernel trusts whom it trusts.
  const Listener* found = nullptr;
  for (const Listener& settings : config_->listeners) {
    if (settings.address == listener) {
      found = &settings;
      break;
    }
    if (found == nullptr && settings.address.IsOrBecame(listener)) found = &settings;
  }
  if (found == nullptr) return false;
  if (peer.is_unix()) return found->proxy_protocol_from_unix;
  return std::any_of(found->proxy_protocol_from.begin(), found->proxy_protocol_from.end(),
                     [&peer](const Cidr& block) { return block.Contains(peer); });
}

std::vector<std::string> LiveConfig::Down() const {
  std::vector<std::string> names;
  for (const auto& route : routes_) {
    if (!route->tls.down.empty()) names.push_back(route->settings->name);
  }
  return names;
}

RouteTotals LiveConfig::TotalsOfRemoved() const {
  return states_->TotalsOfRemoved(
      [this](absl::string_view name) { return name.empty() || by_name_.contains(name); });
}

std::shared_ptr<const LiveRoute> LiveConfig::Share(absl::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : routes_[it->second];
}

}  // namespace tlsbridge
