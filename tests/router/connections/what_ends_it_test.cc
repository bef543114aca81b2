// The dump and the log tell when a connection ends, or ended: not when the program looks at it.

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/log_capture.h"
#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {
namespace {

class WhatEndsItTest : public RouterFixture {
 protected:
  nlohmann::json Timer() {
    const auto records = nlohmann::json::parse("[" + DumpRecords() + "]");
    if (records.size() != 1 || records[0]["timers"].size() != 1) return nullptr;
    return records[0]["timers"][0];
  }
  void ExpectTimer(const std::string& timer, const std::string& reason, double in_seconds) {
    const nlohmann::json told = Timer();
    ASSERT_TRUE(told.is_object());
    EXPECT_EQ(told["timer"], timer);
    EXPECT_EQ(told["reason"], reason);
    EXPECT_NEAR(told["in_seconds"].get<double>(), in_seconds, 0.01);
  }

  LogCapture log_;
};

TEST_F(WhatEndsItTest, AHalfClosedConnectionIsToldItsTimeoutAndNotTheNextLook) {
  route_.timeouts.half_close = absl::Seconds(60);
  StartRouter();
  ConnectThrough();
  client_->SendCloseNotify();
  ASSERT_TRUE(Until([this] { return backend_peer_->end() == StreamEnd::kFin; }));
  ExpectTimer("deadline", "half_close_timeout", 60);
  Advance(absl::Seconds(20));
  ExpectTimer("deadline", "half_close_timeout", 40);
}

TEST_F(WhatEndsItTest, EachStateIsToldWhatEndsIt) {
  route_.timeouts.handshake = absl::Seconds(10);
  route_.timeouts.initial_data = absl::Seconds(50);
  route_.timeouts.inactivity = absl::Hours(1);
  route_.keep_alive.treatment = KeepAliveTreatment::kExtended;  // warns before: that ends nothing
  route_.keep_alive.multiplier = 2;
  StartRouter();
  const auto silent = ConnectClient();
  ASSERT_TRUE(Until([this] { return live_connections() == 1; }));
  ExpectTimer("deadline", "handshake_timeout", 10);
  silent->Close();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  ConnectThrough();
  ExpectTimer("deadline", "initial_timeout", 50);
  client_->Send("x");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "x"; }));
  ExpectTimer("deadline", "inactivity", 7200);
}

TEST_F(WhatEndsItTest, OnePastItsAgeAndInUseIsToldWhenItsDrainIsOver) {
  route_.timeouts.max_lifetime = absl::Minutes(1);
  config_.shutdown.drain_timeout = absl::Minutes(5);
  StartRouter();
  ConnectThrough();
  client_->Send("x");  // nobody answers
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "x"; }));
  EXPECT_EQ(Timer()["reason"], "max_lifetime");
  EXPECT_LE(Timer()["in_seconds"].get<double>(), 63);
  Advance(absl::Seconds(63));
  EXPECT_EQ(Timer()["reason"], "max_lifetime");
  EXPECT_GT(Timer()["in_seconds"].get<double>(), 290) << "not when it is looked at next";
}

TEST_F(WhatEndsItTest, WhileTheProgramDrainsThatIsTold) {
  StartRouter();
  ConnectThrough();
  client_->Send("x");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "x"; }));
  manager_->BeginDrain(absl::Seconds(25));
  ExpectTimer("deadline", "shutdown", 25);
}

TEST_F(WhatEndsItTest, OneThatNothingEndsIsToldSo) {
  route_.timeouts = {.handshake = absl::Seconds(10),
                     .initial_data = absl::ZeroDuration(),
                     .inactivity = absl::ZeroDuration(),
                     .max_lifetime = absl::ZeroDuration()};
  StartRouter();
  ConnectThrough();
  EXPECT_TRUE(Timer().is_null());
}

TEST_F(WhatEndsItTest, TheGraceOfClosingIsNoPartOfTheDuration) {
  route_.bridge.grace = absl::Seconds(8);
  route_.timeouts.initial_data = absl::Seconds(30);
  StartRouter();
  ConnectThrough();
  backend_peer_->StallReading(true);
  Advance(absl::Seconds(30));
  ASSERT_EQ(live_connections(), 1u) << "neither peer has answered the end";
  ExpectTimer("grace", "initial_timeout", 8);
  Advance(absl::Seconds(8));
  ASSERT_EQ(live_connections(), 0u);
  const auto lines = log_.Events("connection_end");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["reason"], "initial_timeout");
  EXPECT_NEAR(lines[0]["duration_ms"].get<double>(), 30'000, 100);
}

}  // namespace
}  // namespace tlsbridge::testing
