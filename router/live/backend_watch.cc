#include "router/live/backend_watch.h"

#include <algorithm>
#include <random>

#include "router/log/log.h"

namespace tlsbridge {
namespace {

bool HasNames(const Route& route) {
  return std::any_of(route.backends.begin(), route.backends.end(), [](const Backend& backend) {
    return backend.address.kind != BackendAddress::Kind::kSocket;
  });
}

// A check of a backend that connections reach in the clear wants no more than that it speaks TLS.
std::shared_ptr<const tls::BackendContext> CheckContext(const LiveRoute& route) {
  if (route.settings->health.kind != HealthCheck::Kind::kTls) return nullptr;
  if (route.tls.backend != nullptr) return route.tls.backend;
  auto context = tls::BackendContext::Create({.insecure_skip_verify = true});
  if (context.ok()) return *context;
  LogEvent(LogLevel::kError, "health_check_impossible")
      .Text("route", route.settings->name)
      .Text("message", context.status().message());
  return nullptr;
}

}  // namespace

BackendWatch::BackendWatch(EventLoop* loop, LiveCounters* live, const LiveConfig& config) {
  std::random_device seed;
  for (const LiveRoute& route : config.routes()) {
    if (route.backends == nullptr) continue;
    const HealthCheck::Kind kind = route.settings->health.kind;
    const std::shared_ptr<const tls::BackendContext> tls = CheckContext(route);
    const bool checks =
        kind == HealthCheck::Kind::kTls ? tls != nullptr : kind != HealthCheck::Kind::kNone;
    const bool names = HasNames(*route.settings);
    if (!checks && !names) continue;
    routes_.push_back(std::make_unique<Watched>());
    Watched* const watched = routes_.back().get();
    if (checks) {
      watched->checker =
          std::make_unique<HealthChecker>(loop, live, *route.settings, route.backends, tls, seed());
      watched->checker->Sync();
    }
    if (names) {
      watched->resolver =
          std::make_unique<RouteResolver>(loop, *route.settings, route.backends, seed(), [watched] {
            if (watched->checker != nullptr) watched->checker->Sync();
          });
    }
  }
}

}  // namespace tlsbridge
