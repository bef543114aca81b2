#include "router/backends/backend_pool.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "bridge/local_error.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

EndpointId NewId() {
  static std::atomic<EndpointId> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::vector<std::string> Texts(const std::vector<SocketAddress>& addresses) {
  std::vector<std::string> texts;
  texts.reserve(addresses.size());
  for (const SocketAddress& address : addresses) texts.push_back(address.ToString());
  return texts;
}

}  // namespace

bool operator==(const ResolvedEndpoint& a, const ResolvedEndpoint& b) {
  return a.share == b.share && a.tier == b.tier && Texts(a.addresses) == Texts(b.addresses);
}

// ---- Lease

BackendPool::Lease& BackendPool::Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  if (endpoint_ != nullptr) endpoint_->connections.fetch_sub(1, std::memory_order_relaxed);
  pool_ = std::move(other.pool_);
  endpoint_ = std::move(other.endpoint_);
  addresses_ = std::move(other.addresses_);
  backend_ = std::move(other.backend_);
  return *this;
}

BackendPool::Lease::~Lease() {
  if (endpoint_ != nullptr) endpoint_->connections.fetch_sub(1, std::memory_order_relaxed);
}

void BackendPool::Lease::Connected(absl::Time now) { pool_->OnConnected(endpoint_.get(), now); }

void BackendPool::Lease::Failed(int error, absl::Time now) {
  pool_->OnFailed(endpoint_.get(), error, now);
}

// ---- Making

std::shared_ptr<BackendPool> BackendPool::Create(const Route& route, absl::Time now,
                                                 const BackendPool* previous) {
  std::shared_ptr<BackendPool> pool(new BackendPool(route, previous));
  std::lock_guard<std::mutex> lock(*pool->mutex_);
  if (previous != nullptr) {
    for (const Member& member : previous->members_) pool->inherited_.push_back(member.endpoint);
  }
  for (size_t i = 0; i < route.backends.size(); ++i) {
    const Backend& backend = route.backends[i];
    pool->sources_.push_back({std::make_shared<const std::string>(backend.address.ToString()),
                              static_cast<double>(backend.weight), backend.drain});
    if (backend.address.kind == BackendAddress::Kind::kSocket) {
      pool->Replace(i, {{{backend.address.socket}}}, now);
    } else if (previous != nullptr) {
      pool->Replace(i, previous->EndpointsOf(*pool->sources_[i].name), now);
    }
  }
  pool->inherited_.clear();
  // What a check found does not outlast the checks.
  if (route.health.kind == HealthCheck::Kind::kNone) {
    for (const Member& member : pool->members_) member.endpoint->healthy = true;
  }
  pool->newcomers_start_slowly_ = !pool->members_.empty();
  return pool;
}

BackendPool::BackendPool(const Route& route, const BackendPool* previous)
    : route_(route.name),
      balance_(route.balance),
      ejection_(route.ejection),
      slow_start_(route.slow_start),
      mutex_(previous != nullptr ? previous->mutex_ : std::make_shared<std::mutex>()),
      newcomers_start_slowly_(previous != nullptr && !previous->members_.empty()) {}

std::vector<ResolvedEndpoint> BackendPool::EndpointsOf(const std::string& source) const {
  std::vector<ResolvedEndpoint> endpoints;
  const auto it = std::find_if(sources_.begin(), sources_.end(),
                               [&source](const Source& s) { return *s.name == source; });
  const size_t index = it - sources_.begin();
  for (const Member& member : members_) {
    if (member.source != index) continue;
    endpoints.push_back({*member.addresses, member.share, member.tier});
  }
  return endpoints;
}

std::shared_ptr<EndpointState> BackendPool::StateOf(const std::string& name, absl::Time now) {
  for (const Member& member : members_) {
    if (member.endpoint->name == name) return member.endpoint;
  }
  for (const auto& endpoint : inherited_) {
    if (endpoint->name == name) return endpoint;
  }
  auto endpoint = std::make_shared<EndpointState>(NewId(), name, StableHash(name));
  if (newcomers_start_slowly_) endpoint->back_since = now;
  return endpoint;
}

void BackendPool::Replace(size_t source, const std::vector<ResolvedEndpoint>& endpoints,
                          absl::Time now) {
  std::vector<Member> members;
  for (const ResolvedEndpoint& endpoint : endpoints) {
    if (endpoint.addresses.empty()) continue;
    members.push_back({StateOf(endpoint.addresses[0].ToString(), now),
                       std::make_shared<const std::vector<SocketAddress>>(endpoint.addresses),
                       source, endpoint.share, endpoint.tier});
  }
  members_.erase(std::remove_if(members_.begin(), members_.end(),
                                [source](const Member& m) { return m.source == source; }),
                 members_.end());
  const auto after = std::find_if(members_.begin(), members_.end(),
                                  [source](const Member& m) { return m.source > source; });
  members_.insert(after, members.begin(), members.end());

  tiers_.clear();
  for (const Member& member : members_) tiers_.push_back(member.tier);
  std::sort(tiers_.begin(), tiers_.end());
  tiers_.erase(std::unique(tiers_.begin(), tiers_.end()), tiers_.end());
}

void BackendPool::SetEndpoints(size_t backend, const std::vector<ResolvedEndpoint>& endpoints,
                               absl::Time now) {
  std::lock_guard<std::mutex> lock(*mutex_);
  if (backend >= sources_.size()) return;
  Replace(backend, endpoints, now);
  newcomers_start_slowly_ = newcomers_start_slowly_ || !members_.empty();
}

// ---- Choosing

double BackendPool::Weight(const Member& member, absl::Time now) const {
  const Source& source = sources_[member.source];
  if (source.drain) return 0;
  const double full = source.weight * member.share;
  const EndpointState& endpoint = *member.endpoint;
  absl::Time since = endpoint.back_since;
  if (!endpoint.ejection.ejected(now)) since = std::max(since, endpoint.ejection.until());
  if (slow_start_ <= absl::ZeroDuration() || now - since >= slow_start_) return full;
  // Not from nothing: without a first connection it could not warm up.
  constexpr double kLeast = 0.01;
  return full * std::max(kLeast, absl::FDivDuration(now - since, slow_start_));
}

bool BackendPool::KeepsFloor(int tier, absl::Time now, const EndpointState* without) const {
  int usable = 0;
  int good = 0;
  for (const Member& member : members_) {
    if (member.tier != tier || Weight(member, now) <= 0) continue;
    ++usable;
    if (member.endpoint.get() != without && member.endpoint->good(now)) ++good;
  }
  return good >= ejection_.keep_fraction * usable;
}

const BackendPool::Member* BackendPool::PickFrom(int tier, bool good_only,
                                                 absl::Span<const EndpointId> tried,
                                                 uint64_t client_hash, absl::Time now,
                                                 uint64_t random) {
  candidates_.clear();
  chosen_from_.clear();
  for (const Member& member : members_) {
    if (member.tier != tier) continue;
    EndpointState* endpoint = member.endpoint.get();
    const double weight = Weight(member, now);
    if (weight <= 0 || (good_only && !endpoint->good(now))) continue;
    if (std::find(tried.begin(), tried.end(), endpoint->id) != tried.end()) continue;
    candidates_.push_back({.weight = weight,
                           .connections = endpoint->connections.load(std::memory_order_relaxed),
                           .hash = endpoint->hash,
                           .last_chosen = endpoint->last_chosen,
                           .credit = &endpoint->credit});
    chosen_from_.push_back(&member);
  }
  if (candidates_.empty()) return nullptr;
  return chosen_from_[Choose(balance_, candidates_, client_hash, random)];
}

BackendPool::Lease BackendPool::Pick(const SocketAddress& client,
                                     absl::Span<const EndpointId> tried, absl::Time now,
                                     uint64_t random) {
  const uint64_t client_hash =
      balance_ == Balance::kSourceHash ? StableHash(client.ClientKey()) : 0;
  std::lock_guard<std::mutex> lock(*mutex_);
  const Member* member = nullptr;
  for (const int tier : tiers_) {
    if (!KeepsFloor(tier, now, nullptr)) continue;
    member = PickFrom(tier, /*good_only=*/true, tried, client_hash, now, random);
    if (member != nullptr) break;
  }
  if (member == nullptr && ejection_.keep_fraction > 0) {
    for (const int tier : tiers_) {
      member = PickFrom(tier, /*good_only=*/false, tried, client_hash, now, random);
      if (member != nullptr) break;
    }
  }
  Lease lease;
  if (member == nullptr) return lease;
  EndpointState* endpoint = member->endpoint.get();
  endpoint->connections.fetch_add(1, std::memory_order_relaxed);
  endpoint->last_chosen = ++choices_;
  ++endpoint->leases;
  lease.pool_ = shared_from_this();
  lease.endpoint_ = member->endpoint;
  lease.addresses_ = member->addresses;
  lease.backend_ = sources_[member->source].name;
  return lease;
}

size_t BackendPool::Untried(absl::Span<const EndpointId> tried, absl::Time now) const {
  std::lock_guard<std::mutex> lock(*mutex_);
  const bool good_only = ejection_.keep_fraction <= 0;
  size_t untried = 0;
  for (const Member& member : members_) {
    const EndpointState& endpoint = *member.endpoint;
    if (Weight(member, now) <= 0 || (good_only && !endpoint.good(now))) continue;
    if (std::find(tried.begin(), tried.end(), endpoint.id) == tried.end()) ++untried;
  }
  return untried;
}

// ---- Learning

void BackendPool::OnConnected(EndpointState* endpoint, absl::Time now) {
  {
    std::lock_guard<std::mutex> lock(*mutex_);
    if (!endpoint->ejection.OnSuccess(now)) return;
  }
  LogEvent(LogLevel::kInfo, "backend_restored")
      .Text("route", route_)
      .Text("backend", endpoint->name);
}

void BackendPool::OnFailed(EndpointState* endpoint, int error, absl::Time now) {
  if (IsLocalError(error)) return;
  absl::Duration length;
  {
    std::lock_guard<std::mutex> lock(*mutex_);
    ++endpoint->failures;
    // Another route of the configuration before may have been its last.
    bool may_eject = true;
    for (const Member& member : members_) {
      if (member.endpoint.get() != endpoint) continue;
      may_eject = may_eject && KeepsFloor(member.tier, now, endpoint);
    }
    if (!endpoint->ejection.OnFailure(ejection_, now, may_eject)) return;
    length = endpoint->ejection.until() - now;
  }
  LogEvent event(LogLevel::kWarning, "backend_ejected");
  event.Text("route", route_).Text("backend", endpoint->name);
  if (error != 0) event.Text("errno", strerrorname_np(error));
  event.Milliseconds("for_ms", length);
}

bool BackendPool::SetHealthy(EndpointId endpoint, bool healthy, absl::Time now) {
  std::lock_guard<std::mutex> lock(*mutex_);
  const auto it = std::find_if(members_.begin(), members_.end(),
                               [endpoint](const Member& m) { return m.endpoint->id == endpoint; });
  if (it == members_.end() || it->endpoint->healthy == healthy) return false;
  it->endpoint->healthy = healthy;
  if (healthy) it->endpoint->back_since = now;
  return true;
}

std::vector<EndpointStatus> BackendPool::Endpoints(absl::Time now) const {
  std::lock_guard<std::mutex> lock(*mutex_);
  std::vector<EndpointStatus> result;
  for (const Member& member : members_) {
    const EndpointState& endpoint = *member.endpoint;
    result.push_back({.id = endpoint.id,
                      .name = endpoint.name,
                      .backend = *sources_[member.source].name,
                      .addresses = *member.addresses,
                      .weight = Weight(member, now),
                      .tier = member.tier,
                      .drain = sources_[member.source].drain,
                      .healthy = endpoint.healthy,
                      .ejected_until = endpoint.ejection.until(),
                      .connections = endpoint.connections.load(std::memory_order_relaxed),
                      .leases = endpoint.leases,
                      .failures = endpoint.failures});
  }
  return result;
}

}  // namespace tlsbridge
