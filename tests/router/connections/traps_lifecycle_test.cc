// Traps of reference proxies: how connections live. One test or more for each.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class Traps : public RouterFixture {
 protected:
  void Connect() {
    StartRouter();
    ConnectThrough();
  }

  void Exchange(const std::string& bytes) {
    client_->Send(bytes);
    Settle();
    backend_peer_->Send(bytes);
    Settle();
  }

  LogCapture log_;
};

// ---- T1: one socket closes, and both are destroyed.

TEST_F(Traps, T1_AClientThatHasEndedItsStreamStillGetsAnAnswerThatTakesAnHour) {
  Connect();
  client_->SendCloseNotify();
  client_->socket().Fin();
  Settle();
  std::string sent;
  for (int minute = 0; minute < 120; ++minute) {
    Advance(absl::Seconds(30));
    backend_peer_->Send("event ");
    sent += "event ";
    Settle();
  }
  EXPECT_EQ(client_->received(), sent);
  EXPECT_EQ(live_connections(), 1u);
}

TEST_F(Traps, T1_ABackendThatHasEndedItsStreamStillGetsTheRestOfTheUpload) {
  Connect();
  backend_peer_->Fin();
  Settle();
  for (int i = 0; i < 100; ++i) {
    client_->Send(std::string(10'000, 'u'));
    Advance(absl::Seconds(30));
  }
  EXPECT_EQ(backend_peer_->received().size(), 1'000'000u);
  EXPECT_EQ(live_connections(), 1u);
}

// ---- T2: idle is a property of the pair.

TEST_F(Traps, T2_BytesInOneDirectionOnlyKeepBothSocketsOpen) {
  route_.timeouts.inactivity = absl::Minutes(1);
  Connect();
  for (int i = 0; i < 200; ++i) {
    Advance(absl::Seconds(59));
    backend_peer_->Send("tick");
    Settle();
  }
  EXPECT_EQ(client_->received().size(), 800u);
  EXPECT_EQ(live_connections(), 1u);
}

// ---- T3: a healthy half-open pair is closed after two minutes.

TEST_F(Traps, T3_AHalfClosedConnectionLivesAsLongAsBytesFlow) {
  route_.timeouts.half_close = absl::Seconds(60);
  Connect();
  client_->SendCloseNotify();
  Settle();
  for (int i = 0; i < 60; ++i) {
    Advance(absl::Seconds(59));
    backend_peer_->Send("x");
    Settle();
  }
  EXPECT_EQ(client_->received().size(), 60u);
  Advance(absl::Seconds(60));
  EXPECT_EQ(client_->end(), StreamEnd::kReset) << "the answer was not over";
}

TEST_F(Traps, T3_TheHalfCloseTimeoutIsAnOptionAndMayBeOff) {
  route_.timeouts.half_close = absl::ZeroDuration();
  route_.timeouts.max_lifetime = absl::ZeroDuration();
  Connect();
  client_->SendCloseNotify();
  Settle();
  Advance(absl::Hours(1000));
  EXPECT_EQ(live_connections(), 1u);
}

// ---- T9: one-way silence is taken for death.

TEST_F(Traps, T9_ASilentEncryptedSessionIsNoZombie) {
  route_.timeouts.inactivity = absl::Hours(4);
  Connect();
  Exchange("login");
  for (int hour = 0; hour < 3; ++hour) Advance(absl::Hours(1));
  EXPECT_EQ(live_connections(), 1u);
  Exchange("still there");
  EXPECT_EQ(client_->received(), "loginstill there");
  EXPECT_EQ(backend_peer_->received(), "loginstill there") << "and nothing was injected";
}

// ---- T10: an age cap that cuts live streams.

TEST_F(Traps, T10_AStreamInUseIsNotCutAtItsMaximumAge) {
  route_.timeouts.max_lifetime = absl::Minutes(2);
  config_.shutdown.drain_timeout = absl::Minutes(10);
  Connect();
  const absl::Time end = clock_.Monotonic() + absl::Minutes(8);
  std::string sent;
  while (clock_.Monotonic() < end) {
    Advance(absl::Milliseconds(700));
    Exchange("frame ");
    sent += "frame ";
  }
  EXPECT_EQ(live_connections(), 1u);
  EXPECT_EQ(client_->received(), sent);
}

TEST_F(Traps, T10_ConnectionsMadeTogetherDoNotReachTheirMaximumAgeTogether) {
  route_.timeouts.initial_data = absl::ZeroDuration();
  route_.timeouts.max_lifetime = absl::Hours(1);
  StartRouter();
  std::vector<std::unique_ptr<TlsPeer>> clients;
  for (int i = 0; i < 60; ++i) clients.push_back(ConnectTls());
  ASSERT_TRUE(Until([&] {
    bool done = true;
    for (auto& client : clients) {
      client->Step();
      done = done && client->handshake_done();
    }
    return done;
  }));
  Settle();
  Advance(absl::Hours(1) * 0.95 - absl::Seconds(1));
  EXPECT_EQ(live_connections(), 60u);
  size_t most_in_one_step = 0;
  for (int step = 0; step < 65; ++step) {
    const size_t before = Ended(Reason::kMaxLifetime);
    Advance(absl::Hours(1) * 0.1 / 60);
    most_in_one_step = std::max<size_t>(most_in_one_step, Ended(Reason::kMaxLifetime) - before);
  }
  EXPECT_EQ(Ended(Reason::kMaxLifetime), 60u);
  EXPECT_LT(most_in_one_step, 20u) << "a tenth of an hour, not one moment";
}

// ---- T11, T12: bytes counted twice, or not at all.

TEST_F(Traps, T11_TheFirstBytesAreCountedOnceThoughTheyWaitForTheBackend) {
  StartRouter();
  client_ = ConnectTls();
  client_->Send(std::string(10'000, 'f'));  // arrives with the handshake, before there is a backend
  ASSERT_TRUE(Until([this] {
    if (backend_peer_ == nullptr) backend_peer_ = backend_->Accept();
    return backend_peer_ != nullptr && backend_peer_->received().size() == 10'000;
  }));
  client_->SendCloseNotify();
  client_->socket().Fin();
  backend_peer_->Fin();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  const auto ends = log_.Events("connection_end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].value("bytes_received", 0), 10'000);
  EXPECT_EQ(ends[0].value("bytes_sent", -1), 0);
}

TEST_F(Traps, T12_TheDumpAndTheLogTellTheSameBytes) {
  Connect();
  for (size_t i = 1; i <= 50; ++i) Exchange(std::string(i * 100, 'b'));
  const auto dump = nlohmann::json::parse(DumpRecords());
  EXPECT_EQ(dump.value("bytes_received", 0u), backend_peer_->received().size());
  EXPECT_EQ(dump.value("bytes_sent", 0u), client_->received().size());
  client_->SendCloseNotify();
  client_->socket().Fin();
  backend_peer_->Fin();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  const auto end = log_.Events("connection_end").at(0);
  EXPECT_EQ(end["bytes_received"], dump["bytes_received"]);
  EXPECT_EQ(end["bytes_sent"], dump["bytes_sent"]);
}

// ---- T13, T14: totals sold as rates.

TEST_F(Traps, T13_TheDumpTellsTotalsAndNothingThatCallsItselfARate) {
  Connect();
  Exchange(std::string(10'000, 'b'));
  const auto dump = nlohmann::json::parse(DumpRecords());
  for (const auto& [name, value] : dump.items()) {
    for (const char* word : {"rate", "per_", "throughput", "bandwidth", "speed", "average"}) {
      EXPECT_EQ(name.find(word), std::string::npos) << name;
    }
  }
  EXPECT_EQ(dump.value("bytes_received", 0), 10'000);
  EXPECT_EQ(dump.value("bytes_sent", 0), 10'000);
}

TEST_F(Traps, T14_TheBytesOfALongConnectionGrowByWhatFlowsAndByNothingElse) {
  Connect();
  const auto bytes = [this] {
    const auto dump = nlohmann::json::parse(DumpRecords());
    return std::pair(dump.value("bytes_received", 0), dump.value("bytes_sent", 0));
  };
  for (int hour = 1; hour <= 5; ++hour) {
    Exchange(std::string(1'000, 'b'));
    EXPECT_EQ(bytes(), std::pair(hour * 1'000, hour * 1'000));
    for (int i = 0; i < 60; ++i) Advance(absl::Minutes(1));
    EXPECT_EQ(bytes(), std::pair(hour * 1'000, hour * 1'000)) << "asked again, an hour later";
  }
}

}  // namespace
}  // namespace tlsbridge::testing
