#include "router/backends/health_checker.h"

#include <algorithm>
#include <utility>

#include "router/log/log.h"

namespace tlsbridge {

bool HealthVote::Evaluate(const HealthCheck& settings, bool passed, bool healthy) {
  const int needed = passed ? settings.healthy_after : settings.unhealthy_after;
  in_row_ = passed == last_passed_ ? std::min(in_row_ + 1, needed) : 1;
  last_passed_ = passed;
  return in_row_ >= needed ? passed : healthy;
}

struct HealthChecker::Check {
  EndpointId id;
  std::string name;
  std::vector<SocketAddress> addresses;
  bool healthy;
  HealthVote vote;
  bool unmade = false;  // the last time; told once
  absl::Time began;
  std::unique_ptr<HealthProbe> probe;
  std::unique_ptr<Timer> next;
};

HealthChecker::HealthChecker(EventLoop* loop, LiveCounters* live, const Route& route,
                             std::shared_ptr<BackendPool> pool,
                             std::shared_ptr<const tls::BackendContext> tls, uint64_t seed)
    : loop_(loop),
      live_(live),
      route_(route.name),
      settings_(route.health),
      send_proxy_(route.send_proxy),
      pool_(std::move(pool)),
      tls_(std::move(tls)),
      random_(static_cast<std::minstd_rand::result_type>(seed)) {
  if (settings_.kind == HealthCheck::Kind::kTls) staging_ = std::make_unique<tls::Staging>();
  Sync();
}

HealthChecker::~HealthChecker() = default;

void HealthChecker::Adopt(std::shared_ptr<BackendPool> pool) {
  pool_ = std::move(pool);
  Sync();
}

void HealthChecker::Sync() {
  if (settings_.kind == HealthCheck::Kind::kNone) return;
  std::map<EndpointId, std::unique_ptr<Check>> checks;
  for (EndpointStatus& endpoint : pool_->Endpoints(loop_->common_now())) {
    std::unique_ptr<Check>& check = checks[endpoint.id];
    if (check != nullptr) continue;  // configured twice
    check = std::move(checks_[endpoint.id]);
    if (check == nullptr) {
      check = std::make_unique<Check>();
      check->id = endpoint.id;
      check->name = std::move(endpoint.name);
      check->healthy = endpoint.healthy;
      check->next = std::make_unique<Timer>(
          loop_, [this, c = check.get()] { Start(c); }, Timer::Of::kService);
      check->next->ArmAfter(settings_.interval *
                            std::uniform_real_distribution<double>(0, 1)(random_));
    }
    check->addresses = std::move(endpoint.addresses);
  }
  checks_.swap(checks);
}

std::unique_ptr<ProbeTalk> HealthChecker::MakeTalk(const Check& check) {
  switch (settings_.kind) {
    case HealthCheck::Kind::kSendExpect:
      return SendExpectTalk(settings_.send, settings_.expect);
    case HealthCheck::Kind::kTls:
      return TlsTalk(tls_, staging_.get(), check.name);
    case HealthCheck::Kind::kTcp:
    case HealthCheck::Kind::kNone:
      return ConnectTalk();
  }
  return ConnectTalk();
}

void HealthChecker::Start(Check* check) {
  check->began = loop_->now();
  check->probe = std::make_unique<HealthProbe>(
      loop_, live_, check->addresses, BehindProxyHeader(send_proxy_, MakeTalk(*check)),
      settings_.timeout, [this, check](const absl::Status& status) { OnResult(check, status); });
}

void HealthChecker::OnResult(Check* check, const absl::Status& status) {
  const absl::Duration interval =
      settings_.interval * std::uniform_real_distribution<double>(0.8, 1.2)(random_);
  check->next->ArmAt(check->began + interval);
  if (absl::IsCancelled(status)) {
    if (std::exchange(check->unmade, true)) return;
    LogEvent(LogLevel::kWarning, "health_check_not_made")
        .Text("route", route_)
        .Text("backend", check->name)
        .Text("message", status.message());
    return;
  }
  check->unmade = false;
  const absl::Time now = loop_->common_now();
  if (status.ok()) {
    pool_->OnCheckPassed(check->id, settings_.healthy_after, now);
  } else {
    pool_->OnCheckFailed(check->id, status.message(), now);
  }
  const bool healthy = check->vote.Evaluate(settings_, status.ok(), check->healthy);
  if (healthy == check->healthy) return;
  check->healthy = healthy;
  pool_->SetHealthy(check->id, healthy, now);
  LogEvent(healthy ? LogLevel::kInfo : LogLevel::kWarning,
           healthy ? "backend_healthy" : "backend_unhealthy")
      .Text("route", route_)
      .Text("backend", check->name)
      .Text("check", status.ok() ? "passed" : status.message());
}

}  // namespace tlsbridge
