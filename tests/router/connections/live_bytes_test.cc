// What a route has carried is told while its connections live: never counted twice, never less than
// before, whatever is asked and ends in whatever order.

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "router/stats/routes_json.h"
#include "tests/support/crowd.h"

namespace tlsbridge::testing {
namespace {

struct Carried {
  uint64_t received = 0;
  uint64_t sent = 0;
};

class LiveBytesTest : public CrowdFixture {
 protected:
  std::shared_ptr<const LiveConfig> LiveOf(const std::string& route, const LiveConfig* previous) {
    Config config = config_;
    config.routes[0].name = route;
    std::vector<RouteTls> tls(1);
    tls[0].server = tls_;
    return *LiveConfig::Assemble(std::move(config), std::move(tls), previous, loop_->now());
  }
  // Of all routes, those that are gone included.
  Carried Told(const LiveConfig& live) const {
    const auto json = nlohmann::json::parse(RoutesJson(live, loop_->now()));
    Carried carried;
    for (const auto* part : {&json["routes"][0], &json["unrouted"], &json["removed"]}) {
      carried.received += (*part)["bytes_received"].get<uint64_t>();
      carried.sent += (*part)["bytes_sent"].get<uint64_t>();
    }
    return carried;
  }
};

TEST_F(LiveBytesTest, AreToldWhileTheConnectionLives) {
  StartRouter();
  ConnectThrough();
  client_->Send("question");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "question"; }));
  backend_peer_->Send("a longer answer");
  ASSERT_TRUE(Until([this] { return client_->received() == "a longer answer"; }));
  const Carried told = Told(*live_);
  EXPECT_EQ(told.received, 8u);
  EXPECT_EQ(told.sent, 15u);
}

TEST_F(LiveBytesTest, InARandomSequenceNeverGoBackAndNeverCountTwice) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  constexpr size_t kClients = 6;
  StartRouter();
  ASSERT_TRUE(JoinMany(kClients));
  const std::shared_ptr<const LiveConfig> renamed = LiveOf("other", live_.get());
  const std::array live = {live_, renamed};
  size_t served = 0;
  Carried sent;
  Carried told;
  const auto check = [&] {
    const Carried now = Told(*live[served]);
    EXPECT_GE(now.received, told.received);
    EXPECT_GE(now.sent, told.sent);
    EXPECT_LE(now.received, sent.received);
    EXPECT_LE(now.sent, sent.sent);
    told = now;
  };
  for (int step = 0; step < 600 && !HasFailure(); ++step) {
    const size_t i = random() % clients_.size();
    const std::string bytes(1 + random() % 3000, 'x');
    switch (random() % 7) {
      case 0:
      case 1:
        clients_[i]->Send(bytes);
        sent.received += bytes.size();
        break;
      case 2:
      case 3:
        backend_peers_[i]->Send(bytes);
        sent.sent += bytes.size();
        break;
      case 4:  // its route comes and goes
        served = 1 - served;
        manager_->Adopt(live[served]);
        break;
      case 5:
        if (step % 20 == 0) clients_[i]->socket().Reset();
        break;
      default:
        loop_->Turn(/*wait=*/false);
        StepMany();
        check();
        break;
    }
  }
  for (int i = 0; i < 50; ++i) {
    Settle();
    StepMany();
  }
  check();
  // Nothing is missing of those that got through: their peers know.
  uint64_t got = 0;
  for (const auto& peer : backend_peers_) got += peer->received().size();
  EXPECT_GE(told.received, got);
}

}  // namespace
}  // namespace tlsbridge::testing
