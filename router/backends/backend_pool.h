// stand-in
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "router/config/config.h"
namespace tlsbridge {
class BackendPool {
 public:
  class Lease {
   public:
    explicit operator bool() const { return pool_ != nullptr; }
    absl::string_view name() const { return pool_->name_; }
    const SocketAddress& address() const { return pool_->address_; }
    void Connected(absl::Time) {}
    void Failed(int, absl::Time) {}
    std::shared_ptr<const BackendPool> pool_;
  };
  static std::shared_ptr<BackendPool> Create(const Route& route, const BackendPool*) {
    auto pool = std::make_shared<BackendPool>();
    pool->self_ = pool;
    pool->address_ = route.backends.front().address.socket;
    pool->name_ = pool->address_.ToString();
    return pool;
  }
  Lease Pick(const SocketAddress&, const std::vector<Lease>& tried, absl::Time) {
    Lease lease;
    if (tried.empty()) lease.pool_ = self_.lock();
    return lease;
  }
  size_t Untried(const std::vector<Lease>& tried) const { return tried.empty() ? 1 : 0; }
  std::weak_ptr<BackendPool> self_;
  SocketAddress address_;
  std::string name_;
};
}  // namespace tlsbridge
