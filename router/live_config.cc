#include "router/live_config.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "router/credentials.h"

namespace tlsbridge {
namespace {

using Contexts = std::vector<std::shared_ptr<const tls::ServerContext>>;

bool EndsTls(const Route& route) {
  return route.action == RouteAction::kForward && route.tls_mode != TlsMode::kPassthrough;
}

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

absl::StatusOr<Contexts> LoadContexts(const Config& config, absl::Time now) {
  Contexts contexts;
  for (const Route& route : config.routes) {
    contexts.emplace_back();
    if (!EndsTls(route)) continue;
    auto context = LoadServerTls(route.tls, now);
    if (!context.ok()) {
      if (config.routes.size() == 1) return context.status();
      return absl::Status(context.status().code(),
                          absl::StrCat("route ", route.name, ": ", context.status().message()));
    }
    contexts.back() = *std::move(context);
  }
  return contexts;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LiveConfig>> LiveConfig::Load(Config config,
                                                                   const LiveConfig* previous,
                                                                   absl::Time wall_clock,
                                                                   absl::Time now) {
  auto contexts = LoadContexts(config, wall_clock);
  if (!contexts.ok()) return contexts.status();
  return Assemble(std::move(config), *std::move(contexts), previous, now);
}

absl::StatusOr<std::shared_ptr<const LiveConfig>> LiveConfig::Assemble(Config config,
                                                                       Contexts contexts,
                                                                       const LiveConfig* previous,
                                                                       absl::Time now) {
  auto table = RouteTable::Create(config.routes);
  if (!table.ok()) return table.status();
  std::shared_ptr<LiveConfig> live(new LiveConfig(std::move(config), *std::move(table)));
  for (size_t i = 0; i < live->config_.routes.size(); ++i) {
    const Route& settings = live->config_.routes[i];
    const LiveRoute* before = previous == nullptr ? nullptr : previous->ByName(settings.name);
    LiveRoute route;
    route.settings = &settings;
    route.tls = std::move(contexts[i]);
    if (settings.action == RouteAction::kForward) {
      route.backends =
          BackendPool::Create(settings, now, before == nullptr ? nullptr : before->backends.get());
    }
    route.admission =
        before == nullptr ? std::make_shared<Admission>(settings.limits) : before->admission;
    live->by_name_.emplace(settings.name, i);
    live->routes_.push_back(std::move(route));
  }
  return std::shared_ptr<const LiveConfig>(std::move(live));
}

LiveConfig::LiveConfig(Config config, RouteTable table)
    : config_(std::move(config)),
      unrouted_settings_(Unrouted(config_)),
      unrouted_{.settings = &unrouted_settings_},
      table_(std::move(table)) {}

const LiveRoute* LiveConfig::Find(uint16_t port, const SocketAddress& client,
                                  const tls::ClientHello& hello) const {
  RouteTable::Query query;
  query.port = port;
  if (IpBytes bytes; ToIpBytes(client, &bytes)) query.client = bytes;
  query.server_name = hello.server_name;
  query.alpn = hello.alpn;
  query.best_version = BestVersion(hello);
  const auto index = table_.Find(query);
  return index.has_value() ? &routes_[*index] : nullptr;
}

const LiveRoute* LiveConfig::AnyThatTerminates(uint16_t port) const {
  for (const LiveRoute& route : routes_) {
    if (route.tls != nullptr && Covers(route.settings->match.ports, port)) return &route;
  }
  return nullptr;
}

const LiveRoute* LiveConfig::ByName(absl::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &routes_[it->second];
}

}  // namespace tlsbridge
