#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/router/service/sequence/sequence.h"

namespace tlsbridge::testing {

using Reason = TerminationReason;

std::string Sequence::KeyOf(const std::string& dns_name) const {
  BackendAddress address;
  address.kind = BackendAddress::Kind::kDns;
  address.name = dns_name + ".";
  address.port = backends_.port();
  return address.ToString();
}

// An address that is configured twice is one endpoint, with the weights of both.
Sequence::Endpoints Sequence::EndpointsOf(const LiveRoute& route) const {
  Endpoints endpoints;
  for (EndpointStatus& status : route.backends->Endpoints(now())) {
    const auto [it, is_new] = endpoints.try_emplace(status.id, status);
    if (!is_new) it->second.weight += status.weight;
  }
  return endpoints;
}

std::map<std::string, Sequence::Endpoints> Sequence::AllEndpoints() const {
  std::map<std::string, Endpoints> all;
  for (const auto& route : serving_.live()->routes()) {
    all[route->settings->name] = EndpointsOf(*route);
  }
  return all;
}

// True if a name is asked for that was not before.
bool Sequence::AdoptModel(const Config& before) {
  program_.SetLimits(config_->limits);
  bool asks = false;
  names_.BeginWatching();
  std::set<std::string> served;
  for (const auto& route : serving_.live()->routes()) {
    const Route& settings = *route->settings;
    served.insert(settings.name);
    LimitsOf(settings.name).SetLimits(settings.limits);
    // Who is not there for a moment, since its name is asked for, is checked anew.
    health_.Judge(settings, route->backends->Endpoints(now()), now());
    for (const Backend& backend : settings.backends) {
      if (backend.address.kind == BackendAddress::Kind::kSocket) continue;
      const std::string name = backend.address.ToString();
      NamesModel::Meaning kept;
      for (const EndpointStatus& endpoint : route->backends->Endpoints(now())) {
        if (endpoint.backend == name) kept.insert(endpoint.name);
      }
      asks = names_.Watch(settings.name, name, absl::FormatDuration(settings.dns.ttl_ceiling), kept,
                          now()) ||
             asks;
    }
  }
  names_.EndWatching();
  for (const Route& route : before.routes) {
    const auto same = std::find_if(config_->routes.begin(), config_->routes.end(),
                                   [&](const Route& r) { return r.name == route.name; });
    if (same == config_->routes.end()) LimitsOf(route.name).MayForget(now());
    if (same == config_->routes.end() || !(same->health == route.health)) {
      health_.Forget(route.name);
    }
  }
  for (const auto& client : clients_) {
    if (!client->entered || (served.contains(client->route) && client->retired > now())) continue;
    client->Retire(now(), std::max(config_->shutdown.drain_timeout, before.shutdown.drain_timeout));
  }
  return asks;
}

// What was known of endpoints is known under the new configuration.
void Sequence::JudgeReload(const Config& before,
                           const std::map<std::string, Endpoints>& endpoints) {
  for (const Route& was : before.routes) {
    const LiveRoute* const route = serving_.live()->ByName(was.name);
    if (route == nullptr) continue;
    const bool checked = route->settings->health.kind != HealthCheck::Kind::kNone;
    const Endpoints& old = endpoints.at(was.name);
    for (const auto& [id, is] : EndpointsOf(*route)) {
      const auto it = old.find(id);
      if (it == old.end()) continue;
      const std::string who = absl::StrCat(was.name, ": ", is.name);
      EXPECT_EQ(is.healthy, it->second.healthy || !checked) << who;
      EXPECT_EQ(is.ejected_until, it->second.ejected_until) << who;
      EXPECT_EQ(is.connections, it->second.connections) << who;
      EXPECT_EQ(is.leases, it->second.leases) << who;
      EXPECT_EQ(is.failures, it->second.failures) << who;
      if (*route->settings == was) {
        EXPECT_EQ(is.weight, it->second.weight) << who;
      }
    }
    // A name that stays is what it was; so is an address.
    if (!(route->settings->backends == was.backends)) continue;
    EXPECT_EQ(EndpointsOf(*route).size(), old.size()) << was.name;
  }
}

// Who comes now is shared out by the weights that are configured now.
void Sequence::JudgeShares() {
  if (config_->routes.empty()) return;
  const std::string name =
      config_->routes[Between(0, static_cast<int>(config_->routes.size()) - 1)].name;
  const LiveRoute* const route = serving_.live()->ByName(name);
  if (route->settings->balance != Balance::kRoundRobin) return;
  const Endpoints endpoints = EndpointsOf(*route);
  double total = 0;
  for (const auto& [id, endpoint] : endpoints) {
    if (endpoint.weight <= 0) continue;
    if (!endpoint.healthy || endpoint.ejected_until > now()) return;
    total += endpoint.weight;
  }
  if (total <= 0) return;
  constexpr int kPicks = 200;
  std::map<EndpointId, int> picked;
  for (int i = 0; i < kPicks; ++i) {
    const auto lease = route->backends->Pick(SocketAddress(), {}, now(), i);
    ASSERT_TRUE(lease);
    ++picked[lease.endpoint()];
  }
  Count("shares looked at");
  for (const auto& [id, endpoint] : endpoints) {
    // Each member that it is has an account of its own.
    EXPECT_NEAR(picked[id], kPicks * endpoint.weight / total, 5)
        << name << ": " << endpoint.name << " has weight " << endpoint.weight;
  }
}

int64_t Sequence::DialsOf(const LiveRoute& route, const Endpoints& before) const {
  int64_t dials = 0;
  for (const auto& [id, is] : EndpointsOf(route)) {
    const auto was = before.find(id);
    if (was != before.end()) dials += is.leases - was->second.leases;
  }
  return dials;
}

// It has been dialled for `client` by what was known `before`.
void Sequence::JudgeDial(Client* client, const LiveRoute& route, const Endpoints& before) {
  const Route& settings = *route.settings;
  std::vector<const EndpointStatus*> picked;
  size_t usable = 0;
  size_t good = 0;
  size_t good_picked = 0;
  bool waits = false;  // for one that never answers
  bool any_up = false;
  const Endpoints after = EndpointsOf(route);
  bool news = false;  // a check or an answer has come meanwhile
  for (const auto& [id, was] : before) {
    news = news || !after.contains(id) || after.at(id).healthy != was.healthy;
  }
  for (const auto& [id, was] : before) {
    const bool is_good = was.healthy && was.ejected_until <= now();
    const int64_t times = after.contains(id) ? after.at(id).leases - was.leases : 0;
    EXPECT_LE(times, 1) << was.name << " for client " << client->id;
    if (was.weight > 0) {
      usable += is_good || settings.ejection.keep_fraction > 0 ? 1 : 0;
      good += is_good ? 1 : 0;
    } else {
      EXPECT_EQ(times, 0) << was.name << " gets nothing";
    }
    if (times == 0) continue;
    picked.push_back(&was);
    good_picked += is_good ? 1 : 0;
    waits = waits || was.name == backends_.nobody().ToString();
    any_up = any_up || backends_.IsUp(was.name);
    EXPECT_TRUE(is_good || settings.ejection.keep_fraction > 0 || news) << was.name << " is bad";
  }
  // An address that is configured twice counts twice.
  double members = 0;
  double good_members = 0;
  for (const EndpointStatus& member : route.backends->Endpoints(now())) {
    const auto was = before.find(member.id);
    if (member.weight <= 0 || was == before.end()) continue;
    ++members;
    good_members += was->second.healthy && was->second.ejected_until <= now() ? 1 : 0;
  }
  const bool keeps_floor = good_members >= settings.ejection.keep_fraction * members;
  if (picked.size() > good_picked && keeps_floor && !news) {
    EXPECT_EQ(good_picked, good) << "a bad one for client " << client->id << " before a good one";
  }
  EXPECT_LE(picked.size(), static_cast<size_t>(settings.timeouts.connect_attempts));
  client->phase = Client::Phase::kDialled;
  client->dialled = client->last_activity = now();
  if (any_up || waits) {
    EXPECT_TRUE(IsAlive(*client)) << "client " << client->id << " was given up";
    if (!any_up) {
      client->MayEnd({Reason::kConnectTimeout, Reason::kEtimedout, Reason::kEconnrefused},
                     now() + absl::Milliseconds(900));
      client->MustEnd({}, now() + settings.timeouts.connect);
    }
    // Passed on once there is somebody, so that the backend knows whom it serves.
    return client->Send(absl::StrCat("#", client->id, ";"));
  }
  if (picked.empty()) {
    EXPECT_TRUE(usable == 0 || news) << "client " << client->id << " was refused";
    return client->MustEnd({Reason::kNoBackend}, now());
  }
  if (!news) {
    EXPECT_EQ(picked.size(), std::min<size_t>(3, usable)) << "client " << client->id;
  }
  client->MustEnd({Reason::kEconnrefused}, now());
}

}  // namespace tlsbridge::testing
