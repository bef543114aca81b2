// The process is stopped for a while, or its machine is: nobody is cut for what could not be heard.

#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class StallTest : public CloseMatrix {
 protected:
  void SetUp() override {
    CloseMatrix::SetUp();
    route_.timeouts.handshake = absl::Seconds(10);
    route_.timeouts.inactivity = absl::Seconds(8);
  }
};

TEST_P(StallTest, AConnectionInUseGoesOn) {
  Connect();
  client_->Send("ping");
  Settle();
  client_->Send("while it stood still");
  Stall(absl::Minutes(1));
  EXPECT_EQ(backend_peer_->received(), "pingwhile it stood still");
  Advance(absl::Milliseconds(7800));
  EXPECT_EQ(live_connections(), 1u);
  EXPECT_EQ(client_->end(), StreamEnd::kOpen);
}

TEST_P(StallTest, OneThatIsIdleHasAsLongAsItHadBefore) {
  Connect();
  Advance(absl::Seconds(5));
  Stall(absl::Minutes(1));
  Advance(absl::Milliseconds(2800));
  EXPECT_EQ(live_connections(), 1u);
  EXPECT_EQ(client_->end(), StreamEnd::kOpen);
  Advance(absl::Milliseconds(200));
  ASSERT_TRUE(ClientEnded());
  ASSERT_TRUE(BothHangUp());
  EXPECT_EQ(Ended(Reason::kInactivity), 1u);
}

TEST_P(StallTest, AHandshakeGoesOn) {
  StartRouter();
  auto raw = ConnectClient();
  Settle();
  Advance(absl::Seconds(9));
  Stall(absl::Minutes(1));
  ASSERT_EQ(live_connections(), 1u);
  client_ = std::make_unique<TlsPeer>(std::move(raw), Tls());
  EXPECT_TRUE(Until([this] { return client_->handshake_done(); }));
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(StallTest);

}  // namespace
}  // namespace tlsbridge::testing
