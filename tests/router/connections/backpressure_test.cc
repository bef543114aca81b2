// A peer that stops reading holds memory at the mark, pauses the other one, and loses nothing.

#include <stdint.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;
using nlohmann::json;

// One read of libevent may come on top of the mark, and TLS adds some bytes to each record sent.
constexpr size_t kMostToClient = Endpoint::kHighMarkOfBytes + 4096 + 1024;
// Of a record that arrives in pieces, all comes with the last piece.
constexpr size_t kMostToBackend = Endpoint::kHighMark + 4096 + 16384;

// More than all kernel buffers on the way hold.
constexpr size_t kMuch = 24'000'000;

// Every position differs from its neighbours, so that a byte lost, doubled or moved shows.
std::string Pattern(size_t bytes) {
  std::string pattern(bytes, '\0');
  uint32_t x = 1;
  for (char& c : pattern) {
    x = x * 1664525 + 1013904223;
    c = static_cast<char>(x >> 24);
  }
  return pattern;
}

class Backpressure : public CloseMatrix {
 protected:
  // Turns until nothing moves any more, and asserts that memory never exceeded the mark.
  void TurnWhileStalled() {
    for (int i = 0; i < 200; ++i) {
      Settle();
      const json dump = Dump();
      ASSERT_LE(dump.value("queued_to_client", 0u), kMostToClient);
      ASSERT_LE(dump.value("queued_to_backend", 0u), kMostToBackend);
    }
  }
};

// What half-closed connections do, which TLS 1.2 does not know.
class BackpressureHalfClosed : public Backpressure {};

TEST_P(Backpressure, AStalledClientPausesTheBackendAndThenGetsEverything) {
  Connect();
  client_->socket().StallReading(true);
  const std::string answer = Pattern(kMuch);
  backend_peer_->Send(answer);
  TurnWhileStalled();
  EXPECT_GE(Dump().value("queued_to_client", 0u), Endpoint::kHighMarkOfBytes);
  EXPECT_EQ(Dump()["backend_reads_paused"], json({"other_side_full"}));
  EXPECT_EQ(Dump()["client_reads_paused"], json::array());
  EXPECT_GT(backend_peer_->unsent(), 0u);
  const auto counted = [this] { return live_->ByName(route_.name)->state->metrics.Take(); };
  EXPECT_GE(counted().pauses[1], 1u);
  EXPECT_EQ(counted().pauses[0], 0u);

  client_->Send("the other way is open");
  ASSERT_TRUE(Until([this] { return backend_peer_->received() == "the other way is open"; }));

  backend_peer_->Fin();
  client_->socket().StallReading(false);
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_TRUE(client_->received() == answer);
  EXPECT_TRUE(client_->close_notify_received());
  ASSERT_TRUE(BothHangUp());
  ExpectEnd({Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kProxyEnd, "", ""});
}

TEST_P(Backpressure, AStalledBackendPausesTheClientAndThenGetsEverything) {
  Connect();
  backend_peer_->StallReading(true);
  const std::string upload = Pattern(kMuch);
  client_->Send(upload);
  TurnWhileStalled();
  EXPECT_GE(Dump().value("queued_to_backend", 0u), Endpoint::kHighMark);
  EXPECT_EQ(Dump()["client_reads_paused"], json({"other_side_full"}));
  EXPECT_EQ(Dump()["backend_reads_paused"], json::array());
  EXPECT_GT(client_->socket().unsent(), 0u);

  backend_peer_->Send("the other way is open");
  ASSERT_TRUE(Until([this] { return client_->received() == "the other way is open"; }));

  client_->SendCloseNotify();
  client_->socket().Fin();
  backend_peer_->StallReading(false);
  ASSERT_TRUE(Until([this] { return backend_peer_->end() != StreamEnd::kOpen; }));
  EXPECT_TRUE(backend_peer_->received() == upload);
  ASSERT_TRUE(BothHangUp());
  ExpectEnd({Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd, "", ""});
}

TEST_P(Backpressure, BothMayStallAtOnceAndBothGoOn) {
  Connect();
  client_->socket().StallReading(true);
  backend_peer_->StallReading(true);
  const std::string bytes = Pattern(kMuch);
  client_->Send(bytes);
  backend_peer_->Send(bytes);
  TurnWhileStalled();
  client_->socket().StallReading(false);
  ASSERT_TRUE(Until([this] { return client_->received().size() == kMuch; }));
  backend_peer_->StallReading(false);
  ASSERT_TRUE(Until([this] { return backend_peer_->received().size() == kMuch; }));
  EXPECT_TRUE(client_->received() == bytes);
  EXPECT_TRUE(backend_peer_->received() == bytes);
  ASSERT_TRUE(BothHangUp());
}

TEST_P(Backpressure, AStallOfHoursIsNoReasonToEndAConnection) {
  route_.timeouts.inactivity = absl::ZeroDuration();
  route_.timeouts.max_lifetime = absl::ZeroDuration();
  Connect();
  client_->socket().StallReading(true);
  const std::string answer = Pattern(kMuch);
  backend_peer_->Send(answer);
  for (int hour = 0; hour < 48; ++hour) Advance(absl::Hours(1));
  ASSERT_EQ(live_connections(), 1u);
  client_->socket().StallReading(false);
  ASSERT_TRUE(Until([this] { return client_->received().size() == kMuch; }));
  EXPECT_TRUE(client_->received() == answer);
}

TEST_P(BackpressureHalfClosed, AHalfClosedConnectionIsPausedAndGoesOnLikeAnyOther) {
  Connect();
  client_->SendCloseNotify();
  Settle();
  client_->socket().StallReading(true);
  const std::string answer = Pattern(kMuch);
  backend_peer_->Send(answer);
  backend_peer_->Fin();
  TurnWhileStalled();
  EXPECT_EQ(Dump().value("state", ""), "half-closed");
  client_->socket().StallReading(false);
  ASSERT_TRUE(Until([this] { return client_->end() != StreamEnd::kOpen; }));
  EXPECT_TRUE(client_->received() == answer);
  EXPECT_TRUE(client_->close_notify_received());
  ASSERT_TRUE(BothHangUp());
  ExpectEnd({Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd, "", ""});
}

TEST_P(Backpressure, EveryByteIsCountedOnceAndNoneIsLost) {
  Connect();
  const std::string up = Pattern(3'000'001);
  const std::string down = Pattern(2'000'003);
  client_->Send(up);
  backend_peer_->Send(down);
  ASSERT_TRUE(Until([&] {
    return backend_peer_->received().size() == up.size() &&
           client_->received().size() == down.size();
  }));
  EXPECT_TRUE(backend_peer_->received() == up);
  EXPECT_TRUE(client_->received() == down);
  ASSERT_TRUE(BothHangUp());
  const auto ends = log_.Events("connection_end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].value("bytes_received", 0u), up.size());
  EXPECT_EQ(ends[0].value("bytes_sent", 0u), down.size());
  EXPECT_FALSE(ends[0].contains("bytes_dropped"));
}

TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(Backpressure);
TLSBRIDGE_FOR_TLS13(BackpressureHalfClosed);

}  // namespace
}  // namespace tlsbridge::testing
