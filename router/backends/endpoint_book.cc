#include "router/backends/endpoint_book.h"

#include <algorithm>
#include <atomic>

#include "router/backends/balance.h"

namespace tlsbridge {
namespace {

EndpointId NewId() {
  static std::atomic<EndpointId> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

std::shared_ptr<EndpointState> EndpointBook::Get(const std::string& name, absl::Time back_since) {
  std::weak_ptr<EndpointState>& known = endpoints_[name];
  std::shared_ptr<EndpointState> endpoint = known.lock();
  if (endpoint != nullptr) return endpoint;
  endpoint = std::make_shared<EndpointState>(NewId(), name, StableHash(name));
  endpoint->back_since = back_since;
  known = endpoint;
  if (endpoints_.size() > forget_at_) {
    absl::erase_if(endpoints_, [](const auto& entry) { return entry.second.expired(); });
    forget_at_ = std::max(forget_at_, 2 * endpoints_.size());
  }
  return endpoint;
}

}  // namespace tlsbridge
