#include "router/backends/name_watcher.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "router/backends/resolved_endpoints.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

// What DNS has said is absolute, and not for the search list.
std::string Absolute(const std::string& name) {
  return absl::EndsWith(name, ".") ? name : absl::StrCat(name, ".");
}

std::string KeyOf(const SrvRecord& record) { return absl::StrCat(record.target, ":", record.port); }

}  // namespace

NameWatcher::NameWatcher(EventLoop* loop, DnsClient* client, const BackendAddress& address,
                         const DnsSettings& settings, uint64_t seed, OnResolved on_resolved,
                         const NameWatcher* before)
    : loop_(loop),
      client_(client),
      address_(address),
      settings_(settings),
      random_(static_cast<std::minstd_rand::result_type>(seed)),
      on_resolved_(std::move(on_resolved)),
      timer_(
          loop, [this] { Ask(); }, Timer::Of::kService) {
  if (before != nullptr) {
    endpoints_ = before->endpoints_;
    missing_since_ = before->missing_since_;
    targets_ = before->targets_;
    missing_targets_ = before->missing_targets_;
  }
  Ask();
}

void NameWatcher::Ask() {
  queries_.clear();
  if (address_.kind == BackendAddress::Kind::kSrv) {
    queries_.push_back(client_->LookUpServices(
        address_.name,
        [this](absl::StatusOr<SrvAnswer> answer) { OnServices(std::move(answer)); }));
  } else {
    queries_.push_back(client_->LookUpAddresses(
        address_.name, address_.port,
        [this](absl::StatusOr<AddressAnswer> answer) { OnAddresses(std::move(answer)); }));
  }
}

void NameWatcher::OnAddresses(absl::StatusOr<AddressAnswer> answer) {
  if (!answer.ok()) return Fail(answer.status());
  Accept(EndpointsAt(answer->addresses), answer->ttl);
}

void NameWatcher::OnServices(absl::StatusOr<SrvAnswer> answer) {
  if (!answer.ok()) return Fail(answer.status());
  services_ = *std::move(answer);
  std::vector<SrvRecord>& records = services_.records;
  std::stable_sort(records.begin(), records.end(),
                   [](const SrvRecord& a, const SrvRecord& b) { return a.priority < b.priority; });
  if (records.size() > kMaxTargets) {
    LogEvent(LogLevel::kWarning, "dns_targets_left_out")
        .Text("name", address_.name)
        .Number("targets", static_cast<int64_t>(records.size()))
        .Number("left_out", static_cast<int64_t>(records.size() - kMaxTargets));
    records.resize(kMaxTargets);
  }
  target_failure_ = absl::OkStatus();
  targets_open_ = records.size();
  if (records.empty()) return OnAllTargets();
  for (size_t i = 0; i < records.size(); ++i) {
    queries_.push_back(client_->LookUpAddresses(
        Absolute(records[i].target), records[i].port,
        [this, i](absl::StatusOr<AddressAnswer> a) { OnTarget(i, std::move(a)); }));
  }
}

void NameWatcher::OnTarget(size_t index, absl::StatusOr<AddressAnswer> answer) {
  const std::string key = KeyOf(services_.records[index]);
  if (answer.ok()) {
    services_.ttl = std::min(services_.ttl, answer->ttl);
    targets_[key] = std::move(answer->addresses);
    missing_targets_.erase(key);
  } else {
    target_failure_ = answer.status();
    if (!absl::IsNotFound(answer.status())) {
      missing_targets_.erase(key);
    } else if (missing_targets_.emplace(key, loop_->now()).first->second + settings_.forget_after <=
               loop_->now()) {
      targets_.erase(key);
    }
  }
  if (--targets_open_ == 0) OnAllTargets();
}

void NameWatcher::OnAllTargets() {
  std::map<std::string, std::vector<SocketAddress>> targets;
  std::vector<std::vector<SocketAddress>> addresses;
  for (const SrvRecord& record : services_.records) {
    const std::string key = KeyOf(record);
    const auto known = targets_.find(key);
    addresses.push_back(known == targets_.end() ? std::vector<SocketAddress>() : known->second);
    if (!addresses.back().empty()) targets[key] = addresses.back();
  }
  targets_ = std::move(targets);
  for (auto it = missing_targets_.begin(); it != missing_targets_.end();) {
    const auto is_it = [&](const SrvRecord& record) { return KeyOf(record) == it->first; };
    const bool named = std::any_of(services_.records.begin(), services_.records.end(), is_it);
    it = named ? std::next(it) : missing_targets_.erase(it);
  }
  if (targets_.empty() && !services_.records.empty()) return Fail(target_failure_);
  Accept(EndpointsAt(services_.records, addresses), services_.ttl);
  // What could be resolved is in use already.
  if (!target_failure_.ok()) Fail(target_failure_);
}

void NameWatcher::Accept(std::vector<ResolvedEndpoint> endpoints, absl::Duration ttl) {
  missing_since_ = absl::InfiniteFuture();
  const bool whole = target_failure_.ok();
  if (whole && std::exchange(failures_, 0) > 0) {
    LogEvent(LogLevel::kInfo, "dns_restored").Text("name", address_.name);
  }
  // Before it expires, and not when everybody else asks.
  const absl::Duration life = std::clamp(ttl, settings_.ttl_floor, settings_.ttl_ceiling);
  timer_.ArmAfter(std::max(Vary(life), settings_.ttl_floor));
  if (endpoints_ == endpoints) return;
  LogEvent(LogLevel::kInfo, "backends_resolved")
      .Text("name", address_.name)
      .Number("endpoints", static_cast<int64_t>(endpoints.size()))
      .Number("before", static_cast<int64_t>(endpoints_.has_value() ? endpoints_->size() : 0));
  endpoints_ = std::move(endpoints);
  on_resolved_(*endpoints_);
}

void NameWatcher::Fail(const absl::Status& status) {
  absl::Duration delay = std::max(kRetryFirst, settings_.ttl_floor);
  for (int i = 0; i < failures_ && delay < kRetryLongest; ++i) delay *= 2;
  timer_.ArmAfter(Vary(std::min(delay, kRetryLongest)));
  ForgetIfMissing(status);
  if (failures_++ > 0) return;
  LogEvent(LogLevel::kWarning, "dns_failed")
      .Text("name", address_.name)
      .Text("error", status.message())
      .Number("endpoints_kept",
              static_cast<int64_t>(endpoints_.has_value() ? endpoints_->size() : 0));
}

// Of a service, it is the service itself that has to be missing; what its targets are is in the
// answer that named them.
void NameWatcher::ForgetIfMissing(const absl::Status& status) {
  if (!absl::IsNotFound(status) || !target_failure_.ok()) {
    missing_since_ = absl::InfiniteFuture();
    return;
  }
  missing_since_ = std::min(missing_since_, loop_->now());
  const bool has_any = endpoints_.has_value() && !endpoints_->empty();
  if (!has_any) return;
  const absl::Time forgets = missing_since_ + settings_.forget_after;
  if (loop_->now() < forgets) {
    if (timer_.deadline() > forgets) timer_.ArmAt(forgets);
    return;
  }
  LogEvent(LogLevel::kWarning, "backends_gone")
      .Text("name", address_.name)
      .Text("error", status.message())
      .Number("before", static_cast<int64_t>(endpoints_->size()));
  endpoints_.emplace();
  targets_.clear();
  on_resolved_(*endpoints_);
}

// 80 to 90 % of it.
absl::Duration NameWatcher::Vary(absl::Duration duration) {
  return duration * std::uniform_real_distribution<double>(0.8, 0.9)(random_);
}

}  // namespace tlsbridge
