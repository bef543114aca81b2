#include "tests/router/service/sequence/plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tlsbridge::testing {

const std::vector<std::string>& Plan::RouteNames() {
  static const auto* const names = new std::vector<std::string>{"a", "b", "c", "d"};
  return *names;
}

const std::vector<std::string>& Plan::DnsNames() {
  static const auto* const names = new std::vector<std::string>{"one.test", "two.test"};
  return *names;
}

Plan::Plan(std::mt19937_64* random, const Backends* backends, const SocketAddress& dns)
    : random_(random), backends_(backends), dns_(dns) {}

Config Plan::First() {
  Config config;
  config.limits.handshakes_per_ip = 1000;  // who says nothing is let in
  config.listeners.push_back({.address = *SocketAddress::Parse("127.0.0.2:0")});
  for (const std::string& name : RouteNames()) config.routes.push_back(NewRoute(name));
  return config;
}

Config Plan::Next(const Config& before) {
  Config config = before;
  for (int changes = Between(0, 2); changes > 0; --changes) {
    switch (Between(0, 9)) {
      case 0:
      case 1: {  // removed, or put back
        const std::string& name = RouteNames()[Between(0, 3)];
        const auto it = std::find_if(config.routes.begin(), config.routes.end(),
                                     [&name](const Route& route) { return route.name == name; });
        if (it == config.routes.end()) {
          config.routes.push_back(NewRoute(name));
        } else {
          config.routes.erase(it);
        }
        break;
      }
      case 2:
        config.limits.connections = OneOf({0, 6, 12, 20});
        config.limits.connections_per_ip = OneOf({0, 0, 4, 8});
        config.limits.new_per_ip_per_minute = OneOf({0, 0, 10, 30});
        break;
      case 3:
        config.shutdown.drain_timeout = absl::Seconds(OneOf({0, 3, 10, 30}));
        break;
      case 4: {  // a listener comes or goes; one is always there
        const Listener second = {.address = *SocketAddress::Parse("127.0.0.3:0")};
        if (config.listeners.size() == 1) {
          config.listeners.push_back(second);
        } else {
          config.listeners.pop_back();
        }
        break;
      }
      default:
        if (!config.routes.empty()) {
          Change(&config.routes[Between(0, static_cast<int>(config.routes.size()) - 1)]);
        }
    }
  }
  return config;
}

Route Plan::NewRoute(const std::string& name) {
  Route route;
  route.name = name;
  route.match.domains = {name + ".test"};
  route.tls_mode = OneIn(2) ? TlsMode::kTerminate : TlsMode::kPassthrough;
  route.timeouts.max_lifetime = absl::ZeroDuration();
  route.timeouts.initial_data = absl::ZeroDuration();
  route.dns.servers = {dns_};
  route.dns.forget_after = absl::Seconds(20);
  for (int i = 0; i < 12; ++i) Change(&route);
  if (route.backends.empty()) route.backends = SomeBackends();
  return route;
}

void Plan::Change(Route* route) {
  switch (Between(0, 9)) {
    case 0:
    case 1:
      route->backends = SomeBackends();
      return;
    case 2:
      for (Backend& backend : route->backends) backend.weight = OneOf({1, 1, 2, 5, 1000});
      return;
    case 3:
      route->balance =
          OneOf({Balance::kRoundRobin, Balance::kRoundRobin, Balance::kLeastConnections,
                 Balance::kSourceHash, Balance::kRandomTwo});
      return;
    case 4:
      route->health.kind = OneIn(4) ? HealthCheck::Kind::kNone : HealthCheck::Kind::kTcp;
      return;
    case 5:
      route->ejection.after_failures = OneOf({0, 1, 2, 3});
      route->ejection.first = absl::Seconds(60);
      route->ejection.keep_fraction = OneOf({0.0, 0.5, 0.5});
      return;
    case 6:
      route->limits = RouteLimits();
      return;
    case 7:
      route->deny_ip.clear();
      if (OneIn(3)) route->deny_ip.push_back(*Cidr::Parse("127.0.1.3/32"));
      return;
    case 8:
      route->dns.ttl_ceiling = absl::Seconds(OneOf({5, 5, 5, 4}));
      return;
    default:
      if (OneIn(3)) {
        route->tls_mode = OneIn(2) ? TlsMode::kTerminate : TlsMode::kPassthrough;
      }
  }
}

std::vector<Backend> Plan::SomeBackends() {
  std::vector<Backend> some;
  for (size_t i = 0; i < Backends::kCount; ++i) {
    if (!OneIn(2)) continue;
    Backend backend;
    backend.address.socket = backends_->address(i);
    backend.weight = OneOf({1, 1, 2, 5});
    if (OneIn(12)) backend.weight = 0;
    backend.drain = OneIn(8);
    some.push_back(backend);
  }
  if (some.empty() || OneIn(3)) {
    Backend backend;
    backend.address.kind = BackendAddress::Kind::kDns;
    backend.address.name = absl::StrCat(DnsNames()[Between(0, 1)], ".");
    backend.address.port = backends_->port();
    some.push_back(backend);
  }
  if (OneIn(6)) {
    Backend backend;
    backend.address.socket = backends_->nobody();
    some.push_back(backend);
  }
  return some;
}

Limits Plan::RouteLimits() {
  Limits limits;
  limits.connections = OneOf({0, 2, 5});
  limits.connections_per_ip = OneOf({0, 0, 2});
  limits.new_per_ip_per_minute = OneOf({0, 0, 6});
  return limits;
}

}  // namespace tlsbridge::testing
