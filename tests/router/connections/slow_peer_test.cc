// A peer is gone, and the other is slow: it takes its time, and gets all that was due to it.

#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class SlowPeer : public CloseMatrix {
 protected:
  void SetUp() override {
    CloseMatrix::SetUp();
    route_.bridge.tcp.keepalive_idle = absl::ZeroDuration();
  }

  void ConnectToStalledBackend() {
    Connect();
    backend_peer_->StallReading(true);
  }
  void ConnectStalledClient() {
    Connect();
    client_->socket().StallReading(true);
  }

  void Upload(size_t bytes) {
    uploaded_.append(bytes, static_cast<char>('a' + uploaded_.size() / bytes % 26));
    client_->Send(uploaded_.substr(uploaded_.size() - bytes));
    Settle();
  }
  void Answer(size_t bytes) {
    answer_.append(bytes, static_cast<char>('a' + answer_.size() / bytes % 26));
    backend_peer_->Send(answer_.substr(answer_.size() - bytes));
    Settle();
  }
  size_t QueuedToBackend() { return Dump().value("queued_to_backend", size_t{0}); }
  size_t QueuedToClient() { return Dump().value("queued_to_client", size_t{0}); }

  // All that the client has sent is in our kernel, or further: a reset does not take it back.
  bool ClientDelivered() {
    return Until([this] {
      return client_->socket().unsent() == 0 && client_->socket().Unacknowledged() == 0;
    });
  }
  bool BackendDelivered() {
    return Until(
        [this] { return backend_peer_->unsent() == 0 && backend_peer_->Unacknowledged() == 0; });
  }

  void ExpectTheUploadAndItsEnd() {
    Advance(absl::Seconds(20));  // much longer than the grace, shorter than the half-close timeout
    EXPECT_EQ(live_connections(), 1u);
    backend_peer_->StallReading(false);
    ASSERT_TRUE(BackendEnded());
    EXPECT_TRUE(backend_peer_->received() == uploaded_)
        << backend_peer_->received().size() << " of " << uploaded_.size();
    EXPECT_EQ(backend_peer_->end(), StreamEnd::kFin);
    ASSERT_TRUE(AllEnded());
    EXPECT_EQ(Ended(Reason::kEconnreset), 1u);
    EXPECT_EQ(log_.Events("connection_end")[0].value("bytes_dropped", 0), 0);
  }

  void ExpectTheWholeAnswer() {
    Advance(absl::Seconds(20));
    EXPECT_EQ(live_connections(), 1u);
    client_->socket().StallReading(false);
    ASSERT_TRUE(ClientEnded());
    EXPECT_TRUE(client_->received() == answer_)
        << client_->received().size() << " of " << answer_.size();
  }

  std::string uploaded_;
  std::string answer_;
};

// ---- The client says close_notify and resets.

TEST_P(SlowPeer, ASlowBackendGetsTheWholeStreamOfAClientThatResetsAfterIt) {
  ConnectToStalledBackend();
  while (QueuedToBackend() == 0) Upload(10'000);
  client_->SendCloseNotify();
  Settle();
  ASSERT_TRUE(ClientDelivered());
  EXPECT_EQ(Dump().value("state", ""), "half-closed") << "close_notify has been read";
  client_->socket().Reset();
  Settle();
  ExpectTheUploadAndItsEnd();
}

TEST_P(SlowPeer, ASlowBackendGetsWhatWaitsInOurKernelWhenTheClientResets) {
  ConnectToStalledBackend();
  while (Dump()["client_reads_paused"].empty()) Upload(100'000);
  ASSERT_TRUE(ClientDelivered());
  Upload(20'000);
  client_->SendCloseNotify();
  Settle();
  ASSERT_TRUE(ClientDelivered());
  EXPECT_EQ(Dump().value("state", ""), "bridging") << "close_notify has not been read";
  client_->socket().Reset();
  Settle();
  ExpectTheUploadAndItsEnd();
}

TEST_P(SlowPeer, ASlowBackendThatAnswersMeanwhileStillGetsTheWholeStream) {
  ConnectToStalledBackend();
  while (Dump()["client_reads_paused"].empty()) Upload(100'000);
  ASSERT_TRUE(ClientDelivered());
  Upload(20'000);
  client_->SendCloseNotify();
  Settle();
  ASSERT_TRUE(ClientDelivered());
  client_->socket().Reset();
  Settle();
  Answer(1'000);  // meets the reset before what the client had sent has been read
  Answer(1'000);
  ExpectTheUploadAndItsEnd();
}

TEST_P(SlowPeer, ASlowBackendDoesNotTakeForCompleteWhatAResetHasCut) {
  ConnectToStalledBackend();
  while (Dump()["client_reads_paused"].empty()) Upload(100'000);
  Upload(20'000);
  ASSERT_TRUE(ClientDelivered());
  client_->socket().Reset();
  Settle();
  Answer(1'000);
  Answer(1'000);
  backend_peer_->StallReading(false);
  ASSERT_TRUE(BackendEnded());
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kEconnreset), 1u);
}

TEST_P(SlowPeer, ASlowBackendGetsTheLastWordsOfAClientThatResets) {
  ConnectToStalledBackend();
  while (QueuedToBackend() == 0) Upload(10'000);
  ASSERT_TRUE(ClientDelivered());
  client_->socket().Reset();
  Settle();
  Advance(absl::Seconds(20));
  EXPECT_EQ(live_connections(), 1u);
  backend_peer_->StallReading(false);
  ASSERT_TRUE(BackendEnded());
  EXPECT_TRUE(backend_peer_->received() == uploaded_)
      << backend_peer_->received().size() << " of " << uploaded_.size();
  EXPECT_EQ(backend_peer_->end(), StreamEnd::kReset);
  ASSERT_TRUE(AllEnded());
  ExpectEnd(EndedAs::Both(Reason::kEconnreset, "ECONNRESET"));
}

TEST_P(SlowPeer, WhenTheSlowPeerResetsAsWellNothingIsLeftToWaitFor) {
  ConnectToStalledBackend();
  while (QueuedToBackend() == 0) Upload(10'000);
  ASSERT_TRUE(ClientDelivered());
  client_->socket().Reset();
  Settle();
  EXPECT_EQ(live_connections(), 1u);
  backend_peer_->Reset();
  Settle();
  Advance(absl::Milliseconds(200));
  EXPECT_EQ(live_connections(), 0u);
}

TEST_P(SlowPeer, WhenTheSlowPeerResetsWhatItsKernelHadNotTakenIsNotWaitedFor) {
  ConnectToStalledBackend();
  Upload(300'000);  // more than the backend's kernel takes, less than ours
  ASSERT_EQ(QueuedToBackend(), 0u);
  ASSERT_TRUE(ClientDelivered());
  client_->socket().Reset();
  Settle();
  EXPECT_EQ(live_connections(), 1u);
  backend_peer_->Reset();
  Settle();
  Advance(absl::Milliseconds(200));
  EXPECT_EQ(live_connections(), 0u);
}

TEST_P(SlowPeer, OneThatTakesNothingOfAWholeStreamIsWaitedForAsLongAsAHalfClosedConnection) {
  route_.timeouts.half_close = absl::Seconds(60);
  ConnectToStalledBackend();
  while (QueuedToBackend() == 0) Upload(10'000);
  client_->SendCloseNotify();
  Settle();
  ASSERT_TRUE(ClientDelivered());
  client_->socket().Reset();
  Settle();
  Advance(absl::Seconds(30));
  EXPECT_EQ(live_connections(), 1u);
  for (int round = 0; round < 5 && live_connections() > 0; ++round) {
    Advance(absl::Seconds(61));  // its kernel may still take a little at its own pace, which counts
    Advance(route_.bridge.grace);
  }
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kHalfCloseTimeout), 1u);
}

TEST_P(SlowPeer, OneThatTakesNothingOfARequestThatAResetHasCutIsWaitedForTwoSeconds) {
  route_.timeouts.half_close = absl::Seconds(60);
  ConnectToStalledBackend();
  while (QueuedToBackend() == 0) Upload(10'000);
  ASSERT_TRUE(ClientDelivered());
  client_->socket().Reset();
  Settle();
  EXPECT_EQ(live_connections(), 1u);
  for (int i = 0; i < 50 && live_connections() > 0; ++i) Advance(absl::Milliseconds(100));
  ExpectEnd({Reason::kEconnreset, Reason::kEconnreset, Reason::kEconnreset, "ECONNRESET", "",
             /*dropped=*/true});
}

// ---- The backend answers early and is gone, while the client goes on uploading.

TEST_P(SlowPeer, ASlowClientThatGoesOnUploadingGetsTheWholeAnswerOfABackendThatCloses) {
  ConnectStalledClient();
  while (QueuedToClient() == 0) Answer(10'000);
  backend_peer_->Fin();
  Settle();
  ASSERT_TRUE(BackendDelivered());
  for (int i = 0; i < 5; ++i) Upload(50'000);
  backend_peer_->Close();  // all that came has been read: FIN was its end, what comes now is reset
  for (int i = 0; i < 5; ++i) Upload(50'000);
  ExpectTheWholeAnswer();
  EXPECT_TRUE(client_->close_notify_received());
  EXPECT_EQ(client_->end(), StreamEnd::kFin);
  client_->socket().Close();
  ASSERT_TRUE(AllEnded());
}

TEST_P(SlowPeer, ASlowClientThatGoesOnUploadingGetsTheWholeAnswerBeforeTheReset) {
  ConnectStalledClient();
  backend_peer_->StallReading(true);
  while (QueuedToClient() == 0) Answer(10'000);
  Upload(50'000);
  ASSERT_TRUE(BackendDelivered());
  backend_peer_->Close();  // unread bytes: a reset
  for (int i = 0; i < 5; ++i) Upload(50'000);
  ExpectTheWholeAnswer();
  EXPECT_FALSE(client_->close_notify_received()) << "a reset is no proof that this was all";
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kEconnreset), 1u);
}

TEST_P(SlowPeer, ASlowClientWhoseUploadStallsGetsTheWholeAnswerBeforeTheReset) {
  ConnectStalledClient();
  backend_peer_->StallReading(true);
  while (Dump()["backend_reads_paused"].empty()) Answer(100'000);
  while (Dump()["client_reads_paused"].empty()) Upload(100'000);
  ASSERT_TRUE(BackendDelivered());
  backend_peer_->Close();
  Upload(50'000);
  ExpectTheWholeAnswer();
  EXPECT_FALSE(client_->close_notify_received());
  EXPECT_EQ(client_->end(), StreamEnd::kReset);
  ASSERT_TRUE(AllEnded());
  EXPECT_EQ(Ended(Reason::kEconnreset), 1u);
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(SlowPeer);

}  // namespace
}  // namespace tlsbridge::testing
