#include "router/live/backend_watch.h"

#include <algorithm>
#include <random>
#include <utility>

#include "router/backends/cares_client.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

bool HasNames(const Route& route) {
  return std::any_of(route.backends.begin(), route.backends.end(), [](const Backend& backend) {
    return backend.address.kind != BackendAddress::Kind::kSocket;
  });
}

// A check of a backend that connections reach in the clear wants no more than that it speaks TLS.
std::shared_ptr<const tls::BackendContext> LenientContext(const Route& route) {
  auto context = tls::BackendContext::Create({.insecure_skip_verify = true});
  if (context.ok()) return *context;
  LogEvent(LogLevel::kError, "health_check_impossible")
      .Text("route", route.name)
      .Text("message", context.status().message());
  return nullptr;
}

}  // namespace

void BackendWatch::Adopt(const LiveConfig& config) {
  auto before = std::move(routes_);
  routes_.clear();
  for (const auto& route : config.routes()) {
    if (route->backends == nullptr || !route->tls.down.empty()) continue;
    std::unique_ptr<Watched>& watched = routes_[route->settings->name];
    if (const auto known = before.find(route->settings->name); known != before.end()) {
      watched = std::move(known->second);
    } else {
      watched = std::make_unique<Watched>();
    }
    Update(*route, watched.get());
  }
}

void BackendWatch::Update(const LiveRoute& route, Watched* watched) {
  watched->pool = route.backends;
  UpdateNames(route, watched);
  UpdateChecks(route, watched);
}

std::unique_ptr<DnsClient> BackendWatch::MakeDnsClient(const DnsSettings& settings) {
  if (lookups_ == Lookups::kLoop) return std::make_unique<CaresClient>(loop_, settings);
  if (dns_ == nullptr) {
    auto dns = DnsThread::Create();
    if (!dns.ok()) {
      LogEvent(LogLevel::kWarning, "dns_without_thread")
          .Text("error", dns.status().message())
          .Text("message", "names are looked up by the loop that accepts clients");
      return std::make_unique<CaresClient>(loop_, settings);
    }
    dns_ = *std::move(dns);
  }
  return dns_->MakeClient(loop_, settings);
}

void BackendWatch::UpdateNames(const LiveRoute& route, Watched* watched) {
  const Route& settings = *route.settings;
  if (!HasNames(settings)) return watched->resolver.reset();
  if (watched->resolver == nullptr || !(watched->resolver->settings() == settings.dns)) {
    watched->resolver = std::make_unique<RouteResolver>(
        loop_, MakeDnsClient(settings.dns), settings.dns,
        [watched] {
          if (watched->checker != nullptr) watched->checker->Sync();
        },
        std::move(watched->resolver));
  }
  watched->resolver->Adopt(settings, route.backends);
}

void BackendWatch::UpdateChecks(const LiveRoute& route, Watched* watched) {
  const HealthCheck& settings = route.settings->health;
  std::shared_ptr<const tls::BackendContext> tls;
  if (settings.kind == HealthCheck::Kind::kTls) {
    if (route.tls.backend == nullptr && watched->lenient_tls == nullptr) {
      watched->lenient_tls = LenientContext(*route.settings);
    }
    tls = route.tls.backend != nullptr ? route.tls.backend : watched->lenient_tls;
  }
  const bool possible = settings.kind != HealthCheck::Kind::kTls || tls != nullptr;
  if (settings.kind == HealthCheck::Kind::kNone || !possible) {
    watched->checker.reset();
    return route.backends->ForgetHealth();
  }
  if (watched->checker != nullptr && watched->checker->ChecksBy(*route.settings, tls)) {
    return watched->checker->Adopt(route.backends);
  }
  watched->checker = std::make_unique<HealthChecker>(loop_, live_, *route.settings, route.backends,
                                                     std::move(tls), std::random_device()());
}

}  // namespace tlsbridge
