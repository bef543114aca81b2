#include "tests/router/kernel/support/random_plan.h"

#include <random>
#include <string>

#include "absl/strings/str_cat.h"

namespace tlsbridge::kernel {
namespace {

class Maker {
 public:
  explicit Maker(uint32_t seed) : random_(seed) {}

  Plan Make() {
    Plan plan;
    const uint32_t routes = 1 + Below(5);
    for (uint32_t i = 0; i < routes; ++i) plan.routes.push_back(MakeRoute(i));
    const uint32_t listeners = 1 + Below(6);
    for (uint32_t i = 0; i < listeners; ++i) plan.listeners.push_back(MakeListener(i, routes));
    return plan;
  }

 private:
  uint32_t Below(uint32_t end) { return random_() % end; }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

  Cidr Block(bool v4) {
    const uint32_t length = v4 ? Below(4) * 8 : Below(8) * 16;
    const std::string text =
        v4 ? absl::StrCat("10.", length > 8 ? Below(3) : 0, ".", length > 16 ? Below(3) : 0, ".0/",
                          length == 0 ? 8 : length + 0)
           : absl::StrCat("fd00:", length > 16 ? Below(3) : 0, ":", length > 32 ? Below(3) : 0,
                          "::/", length < 16 ? 16 : length);
    absl::StatusOr<Cidr> block = Cidr::Parse(text);
    return block.ok() ? *block : *Cidr::Parse(v4 ? "10.1.2.3" : "fd00::1");
  }

  Route MakeRoute(uint32_t number) {
    static constexpr const char* kNames[] = {"a", "Mail in", "b.internal", "x/y", "été"};
    Route route;
    route.name = absl::StrCat(kNames[number % 5]);
    const uint32_t backends = Below(5);
    for (uint32_t i = 0; i < backends; ++i) {
      Backend backend;
      backend.endpoint.address = Ip(OneIn(3) ? absl::StrCat("fd07:2::", 10 + i).c_str()
                                             : absl::StrCat("10.7.2.", 10 + i).c_str());
      backend.endpoint.port = static_cast<uint16_t>(9000 + Below(3));
      backend.weight = OneIn(3) ? Below(7) : 1;
      backend.serving = !OneIn(4);
      route.backends.push_back(backend);
    }
    if (OneIn(3)) route.balance = Balance::kSourceHash;
    route.masquerade = !OneIn(3);
    if (OneIn(3)) route.limits.connections = 1 + Below(1000);
    if (OneIn(3)) route.limits.connections_per_client = 1 + Below(10);
    if (OneIn(3)) route.limits.new_per_client_per_minute = 1 + Below(600);
    if (OneIn(3)) route.timeouts.inactivity = absl::Seconds(Below(1000));
    for (uint32_t i = Below(3); i > 0; --i) route.deny.push_back(Block(!OneIn(3)));
    if (OneIn(4)) route.allow.push_back(Block(!OneIn(3)));
    return route;
  }

  Listener MakeListener(uint32_t number, uint32_t routes) {
    static constexpr const char* kAddresses[] = {"10.7.1.1", "fd07:1::1", "0.0.0.0", "::"};
    Listener listener;
    listener.address.address = Ip(kAddresses[Below(4)]);
    listener.address.port = static_cast<uint16_t>(400 + number);
    for (uint32_t i = Below(3); i > 0; --i) {
      Claim claim;
      claim.clients = Block(!OneIn(3));
      if (!OneIn(4)) claim.route = Below(routes);
      listener.claims.push_back(claim);
    }
    listener.claims.push_back({std::nullopt, Below(routes)});
    return listener;
  }

  std::mt19937 random_;
};

}  // namespace

IpBytes Ip(const char* text) {
  const absl::StatusOr<Cidr> one = Cidr::Parse(text);
  return one.ok() ? one->prefix() : IpBytes();
}

Plan RandomPlan(uint32_t seed) { return Maker(seed).Make(); }

}  // namespace tlsbridge::kernel
