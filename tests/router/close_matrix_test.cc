// The close matrix: who did what, what the other peer must see, and the reason.

#include <string>

#include "gtest/gtest.h"
#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class CloseMatrix : public RouterFixture, public ::testing::WithParamInterface<uint16_t> {
 protected:
  void Connect() {
    StartRouter();
    ConnectThrough({.version = GetParam()});
  }
};

TEST_P(CloseMatrix, ClientCloseNotifyReachesTheBackendAsFinAndTheAnswerStillArrives) {
  Connect();
  client_->Send("question");
  client_->SendCloseNotify();
  ASSERT_TRUE(Until([this] { return backend_peer_->end() == StreamEnd::kFin; }));
  EXPECT_EQ(backend_peer_->received(), "question");
  EXPECT_EQ(client_->end(), StreamEnd::kOpen);

  const std::string answer(300'000, 'a');
  backend_peer_->Send(answer);
  backend_peer_->Fin();
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->received(), answer);
  client_->socket().Close();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  ExpectOneEnd(Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd);
}

TEST_P(CloseMatrix, BackendFinReachesTheClientAsCloseNotifyAndTheClientMayGoOnSending) {
  Connect();
  backend_peer_->Send("greeting");
  backend_peer_->Fin();
  ASSERT_TRUE(Until([this] { return client_->end() == StreamEnd::kFin; }));
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->received(), "greeting");

  client_->Send("still here");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "still here"; }));
  client_->SendCloseNotify();
  client_->socket().Fin();
  ASSERT_TRUE(Until([this] { return backend_peer_->end() == StreamEnd::kFin; }));
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  ExpectOneEnd(Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kProxyEnd);
}

TEST_P(CloseMatrix, ClientFinWithoutCloseNotifyIsATruncationThatTheBackendSeesAsReset) {
  Connect();
  client_->Send("half a requ");
  client_->socket().Fin();
  ASSERT_TRUE(UntilWithTime([this] { return backend_peer_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  EXPECT_EQ(backend_peer_->received(), "half a requ");
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  ExpectOneEnd(Reason::kTruncated, Reason::kTruncated, Reason::kTruncated);
}

TEST_P(CloseMatrix, ClientResetReachesTheBackendAsReset) {
  Connect();
  client_->socket().Reset();
  ASSERT_TRUE(UntilWithTime([this] { return backend_peer_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  ExpectOneEnd(Reason::kEconnreset, Reason::kEconnreset, Reason::kEconnreset);
}

TEST_P(CloseMatrix, BackendResetReachesTheClientAsResetWithoutCloseNotify) {
  Connect();
  backend_peer_->Reset();
  ASSERT_TRUE(UntilWithTime([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  EXPECT_FALSE(client_->close_notify_received());
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  ExpectOneEnd(Reason::kEconnreset, Reason::kEconnreset, Reason::kEconnreset);
}

TEST_P(CloseMatrix, BothIdleAreClosedWithCloseNotifyFirst) {
  config_.route.timeouts.inactivity = absl::Minutes(10);
  config_.route.timeouts.initial_data = absl::ZeroDuration();
  Connect();
  Advance(absl::Minutes(10) - absl::Seconds(1));
  EXPECT_EQ(live_connections(), 1u);
  Advance(absl::Seconds(1));
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
  client_->socket().Close();
  backend_peer_->Close();
  ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  ExpectOneEnd(Reason::kInactivity, Reason::kInactivity, Reason::kInactivity);
}

INSTANTIATE_TEST_SUITE_P(Tls, CloseMatrix, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace tlsbridge::testing
