#include "router/backends/route_resolver.h"

#include <utility>

#include "router/backends/cares_client.h"

namespace tlsbridge {

RouteResolver::RouteResolver(EventLoop* loop, const Route& route, std::shared_ptr<BackendPool> pool,
                             uint64_t seed, absl::AnyInvocable<void()> on_change)
    : on_change_(std::move(on_change)), client_(std::make_unique<CaresClient>(loop, route.dns)) {
  for (size_t i = 0; i < route.backends.size(); ++i) {
    const BackendAddress& address = route.backends[i].address;
    if (address.kind == BackendAddress::Kind::kSocket) continue;
    watchers_.push_back(std::make_unique<NameWatcher>(
        loop, client_.get(), address, route.dns, seed + i,
        [this, loop, pool, i](const std::vector<ResolvedEndpoint>& meaning) {
          pool->SetEndpoints(i, meaning, loop->common_now());
          if (on_change_ != nullptr) on_change_();
        }));
  }
}

}  // namespace tlsbridge
