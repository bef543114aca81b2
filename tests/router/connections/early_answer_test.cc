// A backend that has answered before it has read everything, and wants no more: whatever happens to
// the rest of the question, the client gets the whole answer.

#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class EarlyAnswer : public CloseMatrix {
 protected:
  void SetUp() override {
    CloseMatrix::SetUp();
    route_.bridge.tcp.keepalive_idle = absl::ZeroDuration();
  }

  const std::string answer_ = std::string(40'000, 'n') + "end of the answer";
};

TEST_P(EarlyAnswer, BeforeAFinIsCompleteEvenThoughTheClientStillSends) {
  Connect();
  backend_peer_->StallReading(true);
  backend_peer_->Send(answer_);
  backend_peer_->Fin();
  ASSERT_TRUE(ClientEnded());
  // Only now the backend closes, so that it answers what comes with a reset.
  backend_peer_->Close();
  for (int i = 0; i < 10; ++i) {
    client_->Send(std::string(50'000, 'q'));
    Settle();
  }
  EXPECT_EQ(client_->received().size(), answer_.size());
  EXPECT_TRUE(client_->received() == answer_);
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->end(), StreamEnd::kFin) << "not a reset that might overtake the answer";
  client_->SendCloseNotify();
  client_->socket().Fin();
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kEconnreset), 1u);
  EXPECT_EQ(EndedSide(Side::kIncoming, Reason::kEconnreset), 1u);
  EXPECT_EQ(EndedSide(Side::kOutgoing, Reason::kEconnreset), 1u);
}

TEST_P(EarlyAnswer, IsDeliveredToAClientThatIsSlowToReadIt) {
  Connect();
  client_->socket().StallReading(true);
  // Too much for the kernel's buffers of a stalled client: some of it waits in our queue.
  std::string answer;
  do {
    answer.append(100'000, 'a');
    backend_peer_->Send(std::string(100'000, 'a'));
    Settle();
  } while (Dump().value("queued_to_client", 0u) == 0);
  backend_peer_->Fin();
  ASSERT_TRUE(Until([this] { return backend_peer_->Unacknowledged() == 0; }));
  backend_peer_->Close();
  client_->Send("more");
  Settle();
  client_->Send("and more");  // meets the reset
  Settle();
  EXPECT_EQ(live_connections(), 1u);

  client_->socket().StallReading(false);
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_EQ(client_->received().size(), answer.size());
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  client_->socket().Close();
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "EPIPE"));
}

TEST_P(EarlyAnswer, IsReadBeforeTheResetThatFollowsIt) {
  Connect();
  backend_peer_->StallReading(true);
  // So much that it waits in our queue, where libevent, not a direct send, meets the reset.
  client_->Send(std::string(20'000'000, 'q'));
  ASSERT_TRUE(Until([this] { return Dump().value("queued_to_backend", 0u) > 0; }));
  Settle();
  backend_peer_->Send(answer_);
  backend_peer_->Close();  // unread bytes: a reset behind the answer
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->received().size(), answer_.size());
  EXPECT_TRUE(client_->received() == answer_);
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  EXPECT_FALSE(client_->close_notify_received()) << "a reset is no proof that this was all";
  ASSERT_TRUE(AllEnded());
  ExpectEnd({Reason::kEconnreset, Reason::kEconnreset, Reason::kEconnreset, "ECONNRESET", "",
             /*dropped=*/true});
}

TEST_P(EarlyAnswer, IsNotLostWhenTheClientsNextByteMeetsTheResetFirst) {
  Connect();
  backend_peer_->StallReading(true);
  client_->Send("question");
  Settle();
  backend_peer_->Send(answer_);
  backend_peer_->Close();
  // In the same turn the loop finds the client's bytes, the answer, and the reset.
  client_->Send(std::string(100'000, 'q'));
  ASSERT_TRUE(ClientEnded());
  EXPECT_EQ(client_->received().size(), answer_.size());
  EXPECT_TRUE(client_->received() == answer_);
  EXPECT_FALSE(client_->close_notify_received());
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kEconnreset), 1u);
}

TEST_P(EarlyAnswer, WaitsForAStalledClientNoLongerThanAHalfClosedConnectionMay) {
  route_.timeouts.half_close = absl::Seconds(60);
  Connect();
  client_->socket().StallReading(true);
  backend_peer_->StallReading(true);
  backend_peer_->Send(std::string(20'000'000, 'a'));
  client_->Send(std::string(20'000'000, 'q'));
  ASSERT_TRUE(Until([this] {
    return Dump()["client_reads_paused"].size() + Dump()["backend_reads_paused"].size() == 2;
  }));
  Advance(absl::Seconds(1));
  backend_peer_->Reset();
  Settle();
  EXPECT_EQ(live_connections(), 1u) << "what the backend sent still waits for the client";
  for (int round = 0; round < 5 && live_connections() > 0; ++round) {
    Advance(absl::Seconds(61));  // its kernel may still take a little at its own pace, which counts
    Advance(route_.bridge.grace);
  }
  EXPECT_EQ(live_connections(), 0u);
  ExpectEnd({Reason::kHalfCloseTimeout, Reason::kHalfCloseTimeout, Reason::kHalfCloseTimeout, "",
             "", true});
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(EarlyAnswer);

}  // namespace
}  // namespace tlsbridge::testing
