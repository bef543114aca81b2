#include "router/backends/backend_pool.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bridge/local_error.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

std::vector<std::string> Texts(const std::vector<SocketAddress>& addresses) {
  std::vector<std::string> texts;
  texts.reserve(addresses.size());
  for (const SocketAddress& address : addresses) texts.push_back(address.ToString());
  return texts;
}

}  // namespace

const char* EndpointStateName(const EndpointStatus& endpoint, absl::Time now) {
  if (!endpoint.healthy) return "unhealthy";
  if (endpoint.ejected_until > now) return "ejected";
  if (endpoint.drain) return "draining";
  return endpoint.failing ? "failing" : "good";
}

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
                                                 std::shared_ptr<EndpointBook> book,
                                                 const BackendPool* previous) {
  std::shared_ptr<BackendPool> pool(new BackendPool(route, std::move(book)));
  // That of `previous`, too.
  const MutexLock lock(pool->book_->mutex());
  const bool in_use = previous != nullptr && previous->HasMembers();
  for (size_t i = 0; i < route.backends.size(); ++i) {
    const Backend& backend = route.backends[i];
    pool->sources_.push_back(
        {.name = std::make_shared<const std::string>(backend.address.ToString()),
         .weight = static_cast<double>(backend.weight),
         .drain = backend.drain,
         .starts_slowly = in_use});
    if (backend.address.kind == BackendAddress::Kind::kSocket) {
      pool->Replace(i, {{{backend.address.socket}}}, now);
    } else if (previous != nullptr) {
      pool->TakeOver(i, *previous, now);
    }
  }
  return pool;
}

BackendPool::BackendPool(const Route& route, std::shared_ptr<EndpointBook> book)
    : route_(route.name),
      balance_(route.balance),
      ejection_(route.ejection),
      slow_start_(route.slow_start),
      book_(std::move(book)) {}

// What the name of `source` meant.
void BackendPool::TakeOver(size_t source, const BackendPool& previous, absl::Time now) {
  const std::string& name = *sources_[source].name;
  const auto it = std::find_if(previous.sources_.begin(), previous.sources_.end(),
                               [&name](const Source& s) { return *s.name == name; });
  if (it == previous.sources_.end()) return;
  const size_t index = it - previous.sources_.begin();
  std::vector<ResolvedEndpoint> endpoints;
  for (const Member& member : previous.members_) {
    if (member.source == index) {
      endpoints.push_back({*member.addresses, member.share, member.tier});
    }
  }
  Replace(source, endpoints, now);
  // Not yet resolved: its first endpoints are as old as those that others had at the start.
  sources_[source].starts_slowly = it->starts_slowly;
}

void BackendPool::Replace(size_t source, const std::vector<ResolvedEndpoint>& endpoints,
                          absl::Time now) {
  const auto is_its = [source](const Member& m) { return m.source == source; };
  const absl::Time back_since = sources_[source].starts_slowly ? now : absl::InfinitePast();
  std::vector<Member> members;
  for (const ResolvedEndpoint& endpoint : endpoints) {
    if (endpoint.addresses.empty()) continue;
    Member member = {
        .endpoint = book_->Get(endpoint.addresses[0].ToString(), back_since),
        .addresses = std::make_shared<const std::vector<SocketAddress>>(endpoint.addresses),
        .source = source,
        .share = endpoint.share,
        .tier = endpoint.tier};
    const auto before = std::find_if(members_.begin(), members_.end(), [&](const Member& m) {
      return is_its(m) && m.endpoint == member.endpoint;
    });
    if (before != members_.end()) {
      member.credit = before->credit;
      member.last_chosen = before->last_chosen;
    }
    members.push_back(std::move(member));
  }
  members_.erase(std::remove_if(members_.begin(), members_.end(), is_its), members_.end());
  const auto after = std::find_if(members_.begin(), members_.end(),
                                  [source](const Member& m) { return m.source > source; });
  if (!members.empty()) sources_[source].starts_slowly = true;
  members_.insert(after, std::make_move_iterator(members.begin()),
                  std::make_move_iterator(members.end()));

  tiers_.clear();
  for (const Member& member : members_) tiers_.push_back(member.tier);
  std::sort(tiers_.begin(), tiers_.end());
  tiers_.erase(std::unique(tiers_.begin(), tiers_.end()), tiers_.end());
}

void BackendPool::SetEndpoints(size_t backend, const std::vector<ResolvedEndpoint>& endpoints,
                               absl::Time now) {
  const MutexLock lock(book_->mutex());
  if (backend >= sources_.size()) return;
  Replace(backend, endpoints, now);
  book_->TellOfChange();
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

BackendPool::Member* BackendPool::PickFrom(int tier, bool good_only,
                                           absl::Span<const EndpointId> tried, uint64_t client_hash,
                                           absl::Time now, uint64_t random) {
  candidates_.clear();
  chosen_from_.clear();
  for (Member& member : members_) {
    if (member.tier != tier) continue;
    const EndpointState* endpoint = member.endpoint.get();
    const double weight = Weight(member, now);
    if (weight <= 0 || (good_only && !endpoint->good(now))) continue;
    if (std::find(tried.begin(), tried.end(), endpoint->id) != tried.end()) continue;
    candidates_.push_back({.weight = weight,
                           .connections = endpoint->connections.load(std::memory_order_relaxed),
                           .hash = endpoint->hash,
                           .last_chosen = member.last_chosen,
                           .credit = &member.credit});
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
  const MutexLock lock(book_->mutex());
  Member* member = nullptr;
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
  return member == nullptr ? Lease() : MakeLease(member);
}

BackendPool::Lease BackendPool::Take(const SocketAddress& address) {
  const MutexLock lock(book_->mutex());
  for (Member& member : members_) {
    const auto& addresses = *member.addresses;
    if (std::find(addresses.begin(), addresses.end(), address) != addresses.end()) {
      return MakeLease(&member);
    }
  }
  return {};
}

BackendPool::Lease BackendPool::MakeLease(Member* member) {
  Lease lease;
  EndpointState* endpoint = member->endpoint.get();
  endpoint->connections.fetch_add(1, std::memory_order_relaxed);
  member->last_chosen = ++choices_;
  ++endpoint->leases;
  lease.pool_ = shared_from_this();
  lease.endpoint_ = member->endpoint;
  lease.addresses_ = member->addresses;
  lease.backend_ = sources_[member->source].name;
  return lease;
}

size_t BackendPool::Untried(absl::Span<const EndpointId> tried, absl::Time now) const {
  const MutexLock lock(book_->mutex());
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
    const MutexLock lock(book_->mutex());
    if (!endpoint->ejection.OnSuccess(now)) return;
    book_->TellOfChange();
  }
  LogEvent(LogLevel::kInfo, "backend_restored")
      .Text("route", route_)
      .Text("backend", endpoint->name);
}

void BackendPool::OnFailed(EndpointState* endpoint, int error, absl::Time now) {
  if (IsLocalError(error)) return;
  absl::Duration length;
  {
    const MutexLock lock(book_->mutex());
    ++endpoint->failures;
    const char* const name = error == 0 ? "TLS handshake failed" : strerrorname_np(error);
    endpoint->last_error = name == nullptr ? "unknown" : name;
    endpoint->last_error_at = now;
    // Another route of the configuration before may have been its last.
    bool may_eject = true;
    for (const Member& member : members_) {
      if (member.endpoint.get() != endpoint) continue;
      may_eject = may_eject && KeepsFloor(member.tier, now, endpoint);
    }
    if (!endpoint->ejection.OnFailure(ejection_, now, may_eject)) return;
    length = endpoint->ejection.until() - now;
    endpoint->changed_at = now;
    book_->TellOfChange();
  }
  LogEvent event(LogLevel::kWarning, "backend_ejected");
  event.Text("route", route_).Text("backend", endpoint->name);
  if (error != 0) event.Text("errno", strerrorname_np(error));
  event.Milliseconds("for_ms", length);
}

bool BackendPool::SetHealthy(EndpointId endpoint, bool healthy, absl::Time now) {
  const MutexLock lock(book_->mutex());
  EndpointState* const found = Find(endpoint);
  if (found == nullptr || found->healthy == healthy) return false;
  found->healthy = healthy;
  found->changed_at = now;
  if (healthy) found->back_since = now;
  book_->TellOfChange();
  return true;
}

void BackendPool::OnCheckFailed(EndpointId endpoint, absl::string_view why, absl::Time now) {
  const MutexLock lock(book_->mutex());
  EndpointState* const found = Find(endpoint);
  if (found == nullptr) return;
  found->last_error = absl::StrCat("check: ", why);
  found->last_error_at = now;
}

void BackendPool::OnCheckPassed(EndpointId endpoint, int enough, absl::Time now) {
  std::string name;
  {
    const MutexLock lock(book_->mutex());
    EndpointState* const found = Find(endpoint);
    if (found == nullptr || !found->ejection.OnCheckPassed(enough, now)) return;
    name = found->name;
    book_->TellOfChange();
  }
  LogEvent(LogLevel::kInfo, "backend_restored")
      .Text("route", route_)
      .Text("backend", name)
      .Text("by", "checks");
}

EndpointState* BackendPool::Find(EndpointId endpoint) const {
  const auto it = std::find_if(members_.begin(), members_.end(),
                               [endpoint](const Member& m) { return m.endpoint->id == endpoint; });
  return it == members_.end() ? nullptr : it->endpoint.get();
}

void BackendPool::ForgetHealth() {
  const MutexLock lock(book_->mutex());
  bool changed = false;
  for (const Member& member : members_) {
    if (!std::exchange(member.endpoint->healthy, true)) changed = true;
  }
  if (changed) book_->TellOfChange();
}

std::vector<EndpointStatus> BackendPool::Endpoints(absl::Time now) const {
  const MutexLock lock(book_->mutex());
  std::vector<EndpointStatus> result;
  for (const Member& member : members_) {
    const EndpointState& endpoint = *member.endpoint;
    const absl::Time spared_since = endpoint.ejection.spared_since();
    const bool failing = spared_since < absl::InfiniteFuture();
    result.push_back({.id = endpoint.id,
                      .name = endpoint.name,
                      .backend = *sources_[member.source].name,
                      .addresses = *member.addresses,
                      .weight = Weight(member, now),
                      .tier = member.tier,
                      .drain = sources_[member.source].drain,
                      .healthy = endpoint.healthy,
                      .ejected_until = endpoint.ejection.until(),
                      .failing = failing,
                      .connections = endpoint.connections.load(std::memory_order_relaxed),
                      .leases = endpoint.leases,
                      .failures = endpoint.failures,
                      .since = endpoint.ejection.ejected(now)
                                   ? endpoint.changed_at
                                   : std::max({endpoint.changed_at, endpoint.ejection.until(),
                                               failing ? spared_since : absl::InfinitePast()}),
                      .last_error = endpoint.last_error,
                      .last_error_at = endpoint.last_error_at});
  }
  return result;
}

}  // namespace tlsbridge
