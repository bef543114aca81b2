#include "router/backends/route_resolver.h"

#include <utility>

namespace tlsbridge {

RouteResolver::RouteResolver(EventLoop* loop, std::unique_ptr<DnsClient> client,
                             const DnsSettings& settings, absl::AnyInvocable<void()> on_change)
    : loop_(loop),
      settings_(settings),
      on_change_(std::move(on_change)),
      client_(std::move(client)),
      random_(std::random_device()()) {}

void RouteResolver::Adopt(const Route& route, std::shared_ptr<BackendPool> pool) {
  pool_ = std::move(pool);
  backends_.clear();
  for (const Backend& backend : route.backends) backends_.push_back(backend.address.ToString());
  auto before = std::move(watchers_);
  watchers_.clear();
  for (size_t i = 0; i < backends_.size(); ++i) {
    const BackendAddress& address = route.backends[i].address;
    if (address.kind == BackendAddress::Kind::kSocket || watchers_.contains(backends_[i])) continue;
    const auto known = before.find(backends_[i]);
    if (known == before.end()) {
      Watch(address);
      continue;
    }
    const auto& kept = watchers_[backends_[i]] = std::move(known->second);
    // It may have changed since the pool was made.
    if (kept->meaning().has_value()) Tell(backends_[i], *kept->meaning());
  }
}

void RouteResolver::Watch(const BackendAddress& address) {
  const std::string name = address.ToString();
  watchers_[name] =
      std::make_unique<NameWatcher>(loop_, client_.get(), address, settings_, random_(),
                                    [this, name](const std::vector<ResolvedEndpoint>& meaning) {
                                      Tell(name, meaning);
                                      if (on_change_ != nullptr) on_change_();
                                    });
}

// A name may stand for several backends of a route.
void RouteResolver::Tell(const std::string& name, const std::vector<ResolvedEndpoint>& meaning) {
  for (size_t i = 0; i < backends_.size(); ++i) {
    if (backends_[i] == name) pool_->SetEndpoints(i, meaning, loop_->common_now());
  }
}

}  // namespace tlsbridge
