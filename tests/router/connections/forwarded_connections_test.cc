// Flows as connections: what their records say, what they count for, and when they must end.
#include "router/connections/forwarded_connections.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/log_capture.h"

namespace tlsbridge {
namespace {

using kernel::Flow;
using kernel::FlowEvent;
using kernel::FlowReasons;
using Kind = FlowEvent::Kind;
using Reason = TerminationReason;

IpBytes Ip(const std::string& text) {
  IpBytes bytes = {};
  ToIpBytes(*SocketAddress::Parse(text + ":0"), &bytes);
  return bytes;
}

class ForwardedConnectionsTest : public ::testing::Test {
 protected:
  ForwardedConnectionsTest() { connections_.Adopt(live_); }

  std::shared_ptr<const LiveConfig> Make(const std::vector<std::string>& routes,
                                         const LiveConfig* previous) {
    Config config;
    config.shutdown.drain_timeout = absl::Seconds(25);
    for (const std::string& name : routes) {
      Route route = {.name = name, .tls_mode = TlsMode::kPassthrough};
      route.forwarding_engine = ForwardingEngine::kNftables;
      route.backends.push_back({{.socket = *SocketAddress::Parse("10.0.0.1:80")}});
      route.ejection.after_failures = 1;
      route.ejection.keep_fraction = 0;
      route.limits.connections = 1;
      route.timeouts.max_lifetime = absl::Hours(1);
      config.routes.push_back(std::move(route));
    }
    return *LiveConfig::Assemble(std::move(config), std::vector<RouteTls>(routes.size()), previous,
                                 clock_.Monotonic());
  }

  void Tell(Kind kind, uint32_t id, FlowReasons reasons = {}, bool vanished = false) {
    FlowEvent event;
    event.kind = kind;
    event.flow.id = id;
    event.flow.route = "mail";
    event.flow.original = {Ip("192.0.2.7"), Ip("10.7.1.1"), static_cast<uint16_t>(1000 + id), 443};
    event.flow.reply = {Ip("10.0.0.1"), Ip("192.0.2.7"), 80, static_cast<uint16_t>(1000 + id)};
    event.flow.began_at = began_at_;
    event.flow.course.vanished = vanished;
    if (kind == Kind::kEnded) {
      event.flow.ip_bytes_from_client = 300;
      event.flow.ip_bytes_from_backend = 400;
      event.reasons = reasons;
      event.ended_at = began_at_ + absl::Seconds(2);
    }
    connections_.OnFlow(event);
  }

  EndpointStatus Backend() {
    return live_->ByName("mail")->backends->Endpoints(loop_->common_now())[0];
  }
  int64_t Admitted() { return live_->ByName("mail")->state->admission.connections(); }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    loop_->Turn(/*wait=*/false);
  }

  ManualClock clock_;
  absl::Time began_at_ = clock_.Wall();
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  testing::LogCapture log_;
  FailureFolder folder_;
  std::vector<std::pair<uint32_t, Reason>> asked_to_end_;
  std::shared_ptr<const LiveConfig> live_ = Make({"mail", "web"}, nullptr);
  ForwardedConnections connections_{loop_.get(), &folder_, [this](uint32_t flow, Reason reason) {
                                      asked_to_end_.emplace_back(flow, reason);
                                    }};
};

TEST_F(ForwardedConnectionsTest, EachCountsForItsRouteAndItsBackendWhateverTheLimit) {
  Tell(Kind::kBegan, 1);
  Tell(Kind::kBegan, 2);
  EXPECT_EQ(Admitted(), 2);
  EXPECT_EQ(Backend().connections, 2);
  Admission::Token token;
  EXPECT_EQ(live_->ByName("mail")->state->admission.Admit(*SocketAddress::Parse("192.0.2.8:1"),
                                                          loop_->common_now(), &token),
            Reason::kRouteLimit);
  for (const uint32_t id : {1, 2}) {
    Tell(Kind::kEnded, id, {Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd});
  }
  EXPECT_EQ(Admitted(), 0);
  EXPECT_EQ(Backend().connections, 0);
  EXPECT_EQ(connections_.size(), 0u);
}

TEST_F(ForwardedConnectionsTest, TheEndIsALineOfTheLogAndCounted) {
  Tell(Kind::kBegan, 7);
  Tell(Kind::kConnected, 7);
  Tell(Kind::kEnded, 7, {Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kNormal});
  const auto ends = log_.Events("connection_end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0]["id"], ForwardedConnections::kFirstId);
  EXPECT_EQ(ends[0]["peer"], "192.0.2.7:1007");
  EXPECT_EQ(ends[0]["listener"], "10.7.1.1:443");
  EXPECT_EQ(ends[0]["route"], "mail");
  EXPECT_EQ(ends[0]["backend"], "10.0.0.1:80");
  EXPECT_EQ(ends[0]["reason"], "closed_outgoing");
  EXPECT_EQ(ends[0]["incoming"], "proxy_end");
  EXPECT_EQ(ends[0]["outgoing"], "normal");
  EXPECT_EQ(ends[0]["duration_ms"], 2000.0);
  EXPECT_EQ(ends[0]["ip_bytes_received"], 300);
  EXPECT_EQ(ends[0]["ip_bytes_sent"], 400);
  const auto kept = connections_.recent_ends().Find({.id = ForwardedConnections::kFirstId});
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_NE(kept[0].json.find("\"ip_bytes_sent\":400"), std::string::npos) << kept[0].json;
  const TerminationStats& stats = connections_.termination_stats();
  EXPECT_EQ(stats.connections(Reason::kClosedOutgoing), 1u);
  EXPECT_EQ(stats.side(Side::kOutgoing, Reason::kNormal), 1u);
}

TEST_F(ForwardedConnectionsTest, WhatCameAfterTheEndIsCountedAndSaid) {
  Tell(Kind::kBegan, 7);
  Tell(Kind::kEnded, 7, {Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kNormal});
  FlowEvent late = {.kind = Kind::kWentOn, .late_from_client = 50'000};
  late.flow.route = "mail";
  late.flow.original = {Ip("192.0.2.7"), Ip("10.7.1.1"), 1007, 443};
  late.flow.reply = {Ip("10.0.0.1"), Ip("192.0.2.7"), 80, 1007};
  connections_.OnFlow(late);
  EXPECT_EQ(live_->ByName("mail")->state->metrics.ShareOf(&connections_).ip_bytes[0].value(),
            50'300U);
  const auto told = log_.Events("kernel_flow_went_on");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0]["peer"], "192.0.2.7:1007");
  EXPECT_EQ(told[0]["backend"], "10.0.0.1:80");
  EXPECT_EQ(told[0]["ip_bytes_received"], 50'000);
  EXPECT_EQ(log_.Events("connection_end").size(), 1u);
}

TEST_F(ForwardedConnectionsTest, ABackendThatRefusesIsEjectedAndOneThatAnswersIsBack) {
  Tell(Kind::kBegan, 1);
  Tell(Kind::kBegan, 2);
  Tell(Kind::kEnded, 1, {Reason::kEconnrefused, Reason::kEconnrefused, Reason::kEconnrefused});
  EXPECT_GT(Backend().ejected_until, loop_->common_now());
  Tell(Kind::kConnected, 2);
  EXPECT_LE(Backend().ejected_until, loop_->common_now());
}

TEST_F(ForwardedConnectionsTest, WhatWasLostIsSaidToBe) {
  Tell(Kind::kBegan, 1);
  Tell(Kind::kEnded, 1, {Reason::kProxyError, Reason::kProxyError, Reason::kProxyError},
       /*vanished=*/true);
  const auto ends = log_.Events("connection_end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0]["detail"], "events_lost");
  EXPECT_EQ(Backend().failures, 0) << "which is no fault of the backend's";
}

TEST_F(ForwardedConnectionsTest, OneThatIsTooOldOrWhoseRouteIsGoneIsEnded) {
  Tell(Kind::kBegan, 1);
  Advance(absl::Minutes(56));
  EXPECT_TRUE(asked_to_end_.empty());
  Advance(absl::Minutes(8));
  ASSERT_EQ(asked_to_end_.size(), 1u);
  EXPECT_EQ(asked_to_end_[0], std::make_pair(1U, Reason::kMaxLifetime));
  Advance(absl::Seconds(2));
  EXPECT_EQ(asked_to_end_.size(), 2u) << "again, since it is still there";
  Tell(Kind::kEnded, 1, {Reason::kMaxLifetime, Reason::kMaxLifetime, Reason::kMaxLifetime});
  asked_to_end_.clear();

  began_at_ = clock_.Wall();
  Tell(Kind::kBegan, 2);
  connections_.Adopt(Make({"web"}, live_.get()));
  Tell(Kind::kBegan, 3);  // news that is late
  Advance(absl::Seconds(20));
  EXPECT_TRUE(asked_to_end_.empty());
  Advance(absl::Seconds(6));
  ASSERT_EQ(asked_to_end_.size(), 2u);
  EXPECT_EQ(asked_to_end_[0].second, Reason::kRouteRemoved);
  EXPECT_EQ(asked_to_end_[1].second, Reason::kRouteRemoved);
  Tell(Kind::kEnded, 3, {Reason::kRouteRemoved, Reason::kRouteRemoved, Reason::kRouteRemoved});
  EXPECT_EQ(log_.Events("connection_end").back()["route"], "mail");
}

TEST_F(ForwardedConnectionsTest, PagesDivideTheirIds) {
  for (uint32_t id = 1; id <= 5; ++id) Tell(Kind::kBegan, id);
  const std::vector<uint64_t> first = connections_.NextIds(0, 2, {});
  ASSERT_EQ(first.size(), 2u);
  const auto listed = nlohmann::json::parse(
      "[" + connections_.List({.after = first[0], .until = first[1] + 1}, {}) + "]");
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0]["id"], first[1]);
  EXPECT_EQ(listed[0]["engine"], "nftables");
  EXPECT_EQ(listed[0]["state"], "connecting");
  EXPECT_EQ(connections_.NextIds(0, 9, {.state = BridgeState::kConnecting}).size(), 5u);
  EXPECT_EQ(connections_.NextIds(0, 9, {.state = BridgeState::kBridging}).size(), 0u);
}

TEST_F(ForwardedConnectionsTest, WhatIsCutIsOverAtOnceAndLateNewsOfItIsNone) {
  int empty = 0;
  connections_.set_on_empty([&empty] { ++empty; });
  Tell(Kind::kBegan, 1);
  Tell(Kind::kBegan, 2);
  connections_.CutAll(Reason::kShutdown);
  EXPECT_EQ(empty, 1);
  Tell(Kind::kEnded, 1, {Reason::kShutdown, Reason::kShutdown, Reason::kShutdown});
  EXPECT_EQ(connections_.termination_stats().connections(Reason::kShutdown), 2u);
  EXPECT_EQ(log_.Events("connection_end").size(), 2u);
}

}  // namespace
}  // namespace tlsbridge
