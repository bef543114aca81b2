// Configurations, and changes of them, by chance.
//
// Thread: the test's. Owner: the test. Failure: none.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "router/config/config.h"
#include "tests/router/service/sequence/backends.h"

namespace tlsbridge::testing {

class Plan {
 public:
  // "a", "b", ...: also the names' first parts, as "a.test".
  static const std::vector<std::string>& RouteNames();
  // Absolute, as DNS has them, without the final dot.
  static const std::vector<std::string>& DnsNames();

  Plan(std::mt19937_64* random, const Backends* backends, const SocketAddress& dns);

  Config First();
  // One that differs a little, or not at all.
  Config Next(const Config& before);

 private:
  int Between(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(*random_);
  }
  bool OneIn(int n) { return Between(1, n) == 1; }
  template <typename T>
  T OneOf(std::initializer_list<T> all) {
    return all.begin()[Between(0, static_cast<int>(all.size()) - 1)];
  }

  Route NewRoute(const std::string& name);
  void Change(Route* route);
  std::vector<Backend> SomeBackends();
  Limits RouteLimits();

  std::mt19937_64* const random_;
  const Backends* const backends_;
  const SocketAddress dns_;
};

}  // namespace tlsbridge::testing
