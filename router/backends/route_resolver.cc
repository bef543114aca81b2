#include "router/backends/route_resolver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "router/log/log.h"

namespace tlsbridge {

RouteResolver::RouteResolver(EventLoop* loop, std::unique_ptr<DnsClient> client,
                             const DnsSettings& settings, absl::AnyInvocable<void()> on_change,
                             std::unique_ptr<RouteResolver> before)
    : loop_(loop),
      settings_(settings),
      on_change_(std::move(on_change)),
      client_(std::move(client)),
      random_(std::random_device()()),
      before_(std::move(before)) {}

void RouteResolver::Adopt(const Route& route, std::shared_ptr<BackendPool> pool) {
  pool_ = std::move(pool);
  loopback_only_ = route.tls_mode == TlsMode::kTerminate && !route.unsafe_backend;
  left_out_.clear();
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
    if (kept->endpoints().has_value()) Publish(backends_[i], *kept->endpoints());
  }
  before_.reset();
}

void RouteResolver::Watch(const BackendAddress& address) {
  const std::string name = address.ToString();
  const NameWatcher* before = nullptr;
  if (before_ != nullptr) {
    const auto known = before_->watchers_.find(name);
    if (known != before_->watchers_.end()) before = known->second.get();
  }
  watchers_[name] = std::make_unique<NameWatcher>(
      loop_, client_.get(), address, settings_, random_(),
      [this, name](const std::vector<ResolvedEndpoint>& endpoints) {
        Publish(name, endpoints);
        if (on_change_ != nullptr) on_change_();
      },
      before);
}

// A name may stand for several backends of a route.
void RouteResolver::Publish(const std::string& name, std::vector<ResolvedEndpoint> endpoints) {
  if (loopback_only_) KeepLoopback(name, &endpoints);
  for (size_t i = 0; i < backends_.size(); ++i) {
    if (backends_[i] == name) pool_->SetEndpoints(i, endpoints, loop_->common_now());
  }
}

void RouteResolver::KeepLoopback(const std::string& name,
                                 std::vector<ResolvedEndpoint>* endpoints) {
  constexpr size_t kTold = 10;
  std::vector<std::string> left_out;
  for (ResolvedEndpoint& endpoint : *endpoints) {
    auto& addresses = endpoint.addresses;
    const auto elsewhere =
        std::stable_partition(addresses.begin(), addresses.end(),
                              [](const SocketAddress& address) { return address.is_loopback(); });
    for (auto it = elsewhere; it != addresses.end(); ++it) left_out.push_back(it->ToString());
    addresses.erase(elsewhere, addresses.end());
  }
  endpoints->erase(std::remove_if(endpoints->begin(), endpoints->end(),
                                  [](const ResolvedEndpoint& e) { return e.addresses.empty(); }),
                   endpoints->end());
  std::sort(left_out.begin(), left_out.end());
  left_out.erase(std::unique(left_out.begin(), left_out.end()), left_out.end());
  const size_t count = left_out.size();
  left_out.resize(std::min(count, kTold));
  std::string told = absl::StrJoin(left_out, ",");
  if (std::exchange(left_out_[name], told) == told || told.empty()) return;
  LogEvent(LogLevel::kError, "plaintext_refused")
      .Text("name", name)
      .Text("addresses", told)
      .Number("count", static_cast<int64_t>(count))
      .Text("message", "not on this machine, and traffic to it would cross the network unencrypted")
      .Text("hint", "encrypt it (terminate-and-reencrypt), or allow it with unsafe_backend");
}

}  // namespace tlsbridge
