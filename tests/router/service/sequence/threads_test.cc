// The whole router with its threads: random reloads, refused ones too, while clients come from
// several threads. What needs no model must hold: a route that is always there serves everybody and
// is never cut, nobody gets a byte that is not theirs, and nothing is left at the end.
//
// A short run by default; ROUTER_RELOADS=5000 makes a long one.
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "router/router.h"
#include "router/service/signals.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/support/log_capture.h"
#include "tests/support/peer.h"
#include "tests/support/router_fixture.h"
#include "tests/support/tls_peer.h"

namespace tlsbridge::testing {
namespace {

constexpr int kThreads = 4;
constexpr const char* kRoutes[] = {"stays", "a", "b", "c"};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : strtoull(value, nullptr, 10);
}

void Echo(e2e::Socket& connection) {
  while (true) {
    auto bytes = connection.ReadSome();
    if (!bytes.ok() || bytes->empty() || !connection.Write(*bytes).ok()) return;
  }
}

// What the reloader makes configurations from.
class Source {
 public:
  void Set(Config config) {
    const std::lock_guard<std::mutex> lock(mutex_);
    config_ = std::move(config);
  }
  Reloader::Result Make(const LiveConfig* previous, const Clock* clock) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<RouteTls> tls(config_.routes.size());
    for (RouteTls& route : tls) route.server = TestServerContext();
    return LiveConfig::Assemble(config_, std::move(tls), previous, clock->Monotonic());
  }

 private:
  std::mutex mutex_;
  Config config_;
};

// A client, and what it has sent.
class Caller {
 public:
  Caller(const SocketAddress& to, const std::string& route)
      : tls_(Peer::Connect(to), {.server_name = route + ".test"}) {}

  bool Until(const std::function<bool()>& done) {
    constexpr int kPatience = 60'000;
    for (int i = 0; i < kPatience; ++i) {
      tls_.Step();
      EXPECT_EQ(sent_.compare(0, tls_.received().size(), tls_.received()), 0);
      if (done()) return true;
      if (tls_.end() != StreamEnd::kOpen) return false;
      pollfd waits = {tls_.socket().fd(), POLLIN, 0};
      poll(&waits, 1, /*timeout=*/1);
    }
    return false;
  }
  bool Greets() {
    return Until([this] { return tls_.handshake_done(); });
  }
  bool GetsBack(const std::string& bytes) {
    sent_ += bytes;
    tls_.Send(bytes);
    return Until([this] { return tls_.received().size() == sent_.size(); });
  }
  bool Leaves() {
    tls_.SendCloseNotify();
    tls_.socket().Fin();
    return Until([this] { return tls_.close_notify_received(); });
  }
  void Send(const std::string& bytes) {
    sent_ += bytes;
    tls_.Send(bytes);
  }
  Peer& socket() { return tls_.socket(); }

 private:
  TlsPeer tls_;
  std::string sent_;
};

class RouterThreadsTest : public ::testing::Test {
 protected:
  // Routes that come, go and change beside one that stays.
  Config Random() {
    Config config;
    config.workers = 3;
    config.listeners.push_back({.address = *SocketAddress::Parse("127.0.0.2:0")});
    if (OneIn(2)) config.listeners.push_back({.address = *SocketAddress::Parse("127.0.0.3:0")});
    config.limits.connections = OneIn(2) ? 0 : 1000;
    config.limits.handshakes_per_ip = 1000;
    config.shutdown.drain_timeout = absl::Milliseconds(OneIn(2) ? 0 : 50);
    for (const char* name : kRoutes) {
      const bool stays = name == kRoutes[0];
      if (!stays && OneIn(3)) continue;
      Route route;
      route.name = name;
      route.match.domains = {absl::StrCat(name, ".test")};
      route.timeouts.handshake = route.timeouts.connect = absl::Minutes(1);
      for (const auto& backend : backends_) {
        Backend one;
        one.address.socket = *SocketAddress::Parse(backend->address());
        one.weight = stays ? 1 : Between(1, 3);
        route.backends.push_back(one);
      }
      if (!stays) {
        if (OneIn(2)) route.health.kind = HealthCheck::Kind::kTcp;
        route.health.interval = absl::Milliseconds(20);
        route.limits.connections = OneIn(2) ? 0 : Between(1, 3);
        route.balance = OneIn(2) ? Balance::kRoundRobin : Balance::kLeastConnections;
        if (OneIn(3)) route.backends.pop_back();
        if (OneIn(3)) route.backends.back().address.socket = *SocketAddress::Parse("127.0.0.9:9");
      }
      config.routes.push_back(std::move(route));
    }
    return config;
  }
  int Between(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random_);
  }
  bool OneIn(int n) { return Between(1, n) == 1; }

  std::minstd_rand random_;
  std::vector<std::unique_ptr<e2e::TcpBackend>> backends_;
};

// One client after the other, until `over`.
void CallAgainAndAgain(const SocketAddress& router, uint64_t seed, const std::atomic<bool>& over,
                       std::atomic<int>* served) {
  std::minstd_rand random(static_cast<std::minstd_rand::result_type>(seed));
  while (!over && !::testing::Test::HasFailure()) {
    const bool stays = random() % 2 == 0;
    Caller caller(router, stays ? kRoutes[0] : kRoutes[1 + random() % 3]);
    const uint64_t way = random() % 6;
    if (way == 0) continue;  // it leaves at once
    const bool greeted = caller.Greets();
    if (stays) {
      EXPECT_TRUE(greeted) << "where the route stays";
    }
    if (!greeted) continue;
    const std::string bytes(1 + random() % 20'000, static_cast<char>('a' + random() % 26));
    if (way == 1) {
      caller.Send(bytes);
      caller.socket().Reset();
      continue;
    }
    const bool echoed = caller.GetsBack(bytes) && caller.GetsBack("and more") && caller.Leaves();
    if (stays) {
      EXPECT_TRUE(echoed) << "where the route stays";
    }
    *served += echoed ? 1 : 0;
  }
}

TEST_F(RouterThreadsTest, ReloadsDisturbNobodyWhoseRouteStays) {
  Signals::TakeOver();
  const uint64_t seed = FromEnvironment("ROUTER_SEED", std::random_device()());
  const uint64_t reloads = FromEnvironment("ROUTER_RELOADS", 300);
  printf("ROUTER_SEED=%llu\n", static_cast<unsigned long long>(seed));
  random_.seed(static_cast<std::minstd_rand::result_type>(seed));
  LogCapture log;
  for (int i = 0; i < 3; ++i) backends_.push_back(std::make_unique<e2e::TcpBackend>(Echo));
  const ListeningPeer busy;
  static const SystemClock clock;
  auto source = std::make_shared<Source>();
  source->Set(Random());
  Router::Inheritance nothing;
  auto router =
      Router::Create([source](const LiveConfig* previous,
                              const Clock* its_clock) { return source->Make(previous, its_clock); },
                     {.watched = false}, &clock, &nothing);
  ASSERT_TRUE(router.ok()) << router.status();
  const SocketAddress address = (*router)->listeners().front();
  std::thread serving([&] {
    const absl::Status status = (*router)->Run();
    EXPECT_TRUE(status.ok()) << status;
  });

  std::vector<std::unique_ptr<Caller>> guests;
  for (int i = 0; i < 4; ++i) {
    guests.push_back(std::make_unique<Caller>(address, kRoutes[0]));
    EXPECT_TRUE(guests.back()->Greets() && guests.back()->GetsBack("from the beginning"));
  }
  std::atomic<bool> over = false;
  std::atomic<int> served = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < kThreads; ++i) {
    callers.emplace_back([&, i] { CallAgainAndAgain(address, seed + i, over, &served); });
  }
  for (uint64_t i = 0; i < reloads && !HasFailure(); ++i) {
    Config config = Random();
    if (OneIn(4)) config.listeners.push_back({.address = busy.address()});
    source->Set(std::move(config));
    kill(getpid(), SIGHUP);
    poll(nullptr, 0, /*timeout=*/Between(0, 6));
  }
  over = true;
  for (std::thread& caller : callers) caller.join();
  for (const auto& guest : guests) {
    EXPECT_TRUE(guest->GetsBack("to the end") && guest->Leaves());
  }
  kill(getpid(), SIGTERM);
  serving.join();
  router->reset();

  EXPECT_GT(log.Events("reloaded").size(), reloads / 10);
  EXPECT_GT(log.Events("reload_refused").size(), reloads / 100);
  EXPECT_GT(served.load(), static_cast<int>(reloads) / 10);
  const auto summary = log.Events("summary");
  ASSERT_EQ(summary.size(), 1u);
  for (const auto& [what, count] : summary[0]["live"].items()) EXPECT_EQ(count, 0) << what;
  printf("%d served\n", served.load());
}

}  // namespace
}  // namespace tlsbridge::testing
