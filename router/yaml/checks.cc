#include "router/yaml/checks.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "router/routes/route_table.h"
#include "router/routes/unreachable.h"

namespace tlsbridge::yaml {
namespace {

std::string Indexed(absl::string_view list, size_t index) {
  return absl::StrCat(list, "[", index, "]");
}

// Whether both cannot be bound. An IPv6 listener takes no IPv4 (IPV6_V6ONLY), and port 0 is another
// free one each time.
bool Collide(const SocketAddress& a, const SocketAddress& b) {
  if (a.family() != b.family() || a.family() == AF_UNSPEC) return false;
  if (a == b) return a.is_unix() || a.port() != 0;
  if (a.is_unix() || a.port() != b.port() || a.port() == 0) return false;
  return a.is_wildcard() || b.is_wildcard();
}

class ConfigChecks {
 public:
  ConfigChecks(const Config& config, Reading* reading) : config_(config), reading_(reading) {}

  void Run() {
    CheckAddresses();
    for (size_t i = 0; i < config_.listeners.size(); ++i) CheckProxyProtocol(i);
    CheckNames();
    for (size_t i = 0; i < config_.routes.size(); ++i) CheckRoute(config_, i, reading_);
    CheckReachable();
    CheckKernel(config_, reading_);
  }

 private:
  void Add(absl::string_view path, absl::string_view message) {
    reading_->Add(reading_->MarkOf(path), path, message);
  }

  void CheckAddresses() {
    std::vector<std::pair<std::string, const SocketAddress*>> taken;
    // The wildcard of a port, and any other address of it, so that the cost is not quadratic.
    absl::flat_hash_map<std::string, size_t> exact;
    absl::flat_hash_map<std::string, std::pair<int, size_t>> by_port[2];
    const auto check = [&](std::string path, const SocketAddress& address) {
      if (!reading_->Given(path) || !reading_->Sound(path)) return;
      const size_t self = taken.size();
      taken.emplace_back(std::move(path), &address);
      const std::string port = absl::StrCat(address.family(), "/", address.port());
      const bool wildcard = address.is_wildcard();
      size_t other = self;
      if (const auto same = exact.find(address.ToString()); same != exact.end()) {
        other = same->second;
      } else if (const auto w = by_port[1].find(port); w != by_port[1].end()) {
        other = w->second.second;
      } else if (const auto s = by_port[0].find(port); wildcard && s != by_port[0].end()) {
        other = s->second.second;
      }
      exact.emplace(address.ToString(), self);
      if (!address.is_unix()) by_port[wildcard ? 1 : 0].emplace(port, std::pair(0, self));
      if (other == self || !Collide(*taken[other].second, address)) return;
      Add(taken[self].first, absl::StrCat("overlaps ", taken[other].second->ToString(), " of ",
                                          reading_->Name(taken[other].first, taken[other].first),
                                          ": cannot listen on both"));
    };
    for (size_t i = 0; i < config_.listeners.size(); ++i) {
      check(absl::StrCat(Indexed("listeners", i), ".address"), config_.listeners[i].address);
    }
    const bool is_admin = reading_->Sound("admin.address");
    if (config_.admin.has_value()) check("admin.address", *config_.admin);
    if (config_.metrics.has_value()) check("admin.metrics_address", *config_.metrics);
    if (config_.admin.has_value() && is_admin && !config_.admin->is_loopback()) {
      Add("admin.address",
          absl::StrCat(
              config_.admin->ToString(),
              " is not allowed: the admin interface has no authentication; use a loopback address, "
              "unix:/PATH or unix:@NAME, and ",
              reading_->Name("admin.metrics_address", "metrics_address", config_.admin->ToString()),
              " for Prometheus and kubelet, which need only metrics and probes"));
    }
    if (reading_->Given("admin") && !config_.admin.has_value() && !config_.metrics.has_value()) {
      Add("admin", "needs address, metrics_address or both");
    }
  }

  void CheckProxyProtocol(size_t index) {
    const Listener& listener = config_.listeners[index];
    const std::string path = Indexed("listeners", index);
    if (!reading_->Given(path + ".address") || !reading_->Sound(path + ".address")) return;
    if (listener.address.is_unix() && !listener.proxy_protocol_from.empty()) {
      Add(path + ".proxy_protocol_from",
          "peers on a UNIX socket have no IP address; use proxy_protocol_from_unix: true");
    }
    if (!listener.address.is_unix() && listener.proxy_protocol_from_unix) {
      Add(path + ".proxy_protocol_from_unix",
          "the listener is not a UNIX socket; list the peers in proxy_protocol_from");
    }
    // Which of them got which port nobody knows, and so whose header is to be believed.
    if (listener.address.is_unix() || listener.address.port() != 0) return;
    for (size_t other = 0; other < index; ++other) {
      const Listener& before = config_.listeners[other];
      if (!(before.address == listener.address) ||
          before.proxy_protocol_from == listener.proxy_protocol_from) {
        continue;
      }
      Add(path + ".address",
          absl::StrCat(
              "is also the address of ", Indexed("listeners", other),
              ", whose proxy_protocol_from differs: they cannot be told apart; use a fixed port"));
      return;
    }
  }

  void CheckNames() {
    absl::flat_hash_map<absl::string_view, size_t> first;
    for (size_t i = 0; i < config_.routes.size(); ++i) {
      const std::string path = absl::StrCat(Indexed("routes", i), ".name");
      if (!reading_->Given(path) || !reading_->Sound(path)) continue;
      const auto [entry, inserted] = first.emplace(config_.routes[i].name, i);
      if (inserted) continue;
      Add(path, absl::StrCat(Quoted(config_.routes[i].name), " is already the name of ",
                             Indexed("routes", entry->second)));
    }
  }

  // Of routes whose matches are sound: one more may hide further ones, but never shows one.
  void CheckReachable() {
    std::vector<Route> routes;
    std::vector<size_t> indices;
    for (size_t i = 0; i < config_.routes.size(); ++i) {
      const std::string path = Indexed("routes", i);
      if (reading_->Malformed(path) || !reading_->Sound(path + ".match") ||
          !reading_->Sound(path + ".priority")) {
        continue;
      }
      routes.push_back(config_.routes[i]);
      indices.push_back(i);
    }
    if (const auto table = RouteTable::Create(routes); !table.ok()) {
      Add("routes", table.status().message());
      return;
    }
    for (const UnreachableRoute& found : FindUnreachable(routes)) {
      Add(Indexed("routes", indices[found.route]),
          absl::StrCat("no connection can ever reach this route, because ",
                       Indexed("routes", indices[found.winner]), " (",
                       Quoted(routes[found.winner].name),
                       ") matches all that it matches and wins; give this one a higher priority, "
                       "or narrow the other's match"));
    }
  }

  const Config& config_;
  Reading* const reading_;  // Not owned.
};

}  // namespace

void CheckConfig(const Config& config, Reading* reading) { ConfigChecks(config, reading).Run(); }

}  // namespace tlsbridge::yaml
