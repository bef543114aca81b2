// Routes for tests of backends.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "router/backends/backend_pool.h"
#include "router/config/config.h"

namespace tlsbridge::testing {

inline SocketAddress Address(const std::string& text) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(SocketAddress());
}

inline Backend BackendAt(const std::string& address, uint32_t weight = 1) {
  Backend backend;
  backend.address.socket = Address(address);
  backend.weight = weight;
  return backend;
}

inline Backend BackendNamed(const std::string& name, uint16_t port) {
  Backend backend;
  backend.address.kind = BackendAddress::Kind::kDns;
  backend.address.name = name;
  backend.address.port = port;
  return backend;
}

// 10.0.0.1:80, 10.0.0.2:80, ...
inline Route RouteTo(int backends, Balance balance = Balance::kRoundRobin) {
  Route route;
  route.name = "orders";
  route.balance = balance;
  for (int i = 1; i <= backends; ++i) {
    route.backends.push_back(BackendAt("10.0.0." + std::to_string(i) + ":80"));
  }
  return route;
}

// Of a route that nothing is known of.
inline std::shared_ptr<BackendPool> MakePool(const Route& route, absl::Time now) {
  return BackendPool::Create(route, now, std::make_shared<EndpointBook>());
}

// Of one route, under one configuration after the other.
class Pools {
 public:
  std::shared_ptr<BackendPool> Next(const Route& route, absl::Time now) {
    pool_ = BackendPool::Create(route, now, book_, pool_.get());
    return pool_;
  }

 private:
  const std::shared_ptr<EndpointBook> book_ = std::make_shared<EndpointBook>();
  std::shared_ptr<BackendPool> pool_;
};

}  // namespace tlsbridge::testing
