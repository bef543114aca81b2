// Traps of reference proxies: how connections end and what they leave behind.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"
#include "tests/support/crowd.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

class Traps : public CrowdFixture {
 protected:
  void ExpectNothingLeftBehind() {
    Settle();
    EXPECT_EQ(live_connections(), 0u);
    EXPECT_EQ(manager_->live().records, 0);
    EXPECT_EQ(manager_->live().sockets, 0);
    EXPECT_EQ(manager_->live_timers(), 0u);
    EXPECT_EQ(admission_->connections(), 0);
  }

  void DialABlackHole() {
    backend_address_ = hole_.address();
    StartRouter();
  }

  BlackHole hole_;
};

// ---- T4: the client leaves while the backend is being dialled.

TEST_F(Traps, T4_AClientThatResetsWhileTheBackendIsBeingDialledLeavesNothingBehind) {
  DialABlackHole();
  ASSERT_TRUE(ConnectMany(50));
  Settle();
  EXPECT_EQ(manager_->live().sockets, 100);
  for (auto& client : clients_) client->socket().Reset();
  ExpectNothingLeftBehind();
  EXPECT_EQ(Ended(Reason::kEconnreset), 50u);
}

TEST_F(Traps, T4_AClientThatLeavesInAnyStateLeavesNothingBehind) {
  StartRouter();
  for (size_t allowance = 0; allowance < 1000; allowance += 7) {
    for (const bool reset : {true, false}) {
      auto client = ConnectTls({.allowance = allowance});
      for (size_t turns = 0; turns < allowance % 5; ++turns) {
        loop_->Turn(/*wait=*/false);
        client->Step();
      }
      if (reset) client->socket().Reset();
    }
  }
  backend_->Close();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  ExpectNothingLeftBehind();
}

// ---- T5: no deadline for dialling.

TEST_F(Traps, T5_ConnectionsToABackendThatNeverAnswersDoNotAccumulate) {
  DialABlackHole();
  for (int wave = 0; wave < 20; ++wave) {
    ASSERT_TRUE(ConnectMany(10));
    Advance(absl::Seconds(1));
    EXPECT_LE(live_connections(), 70u) << "ten a second for five seconds and the grace";
  }
  Advance(route_.timeouts.connect);
  Advance(route_.bridge.grace);
  ExpectNothingLeftBehind();
  EXPECT_EQ(Ended(Reason::kConnectTimeout), 200u);
}

// ---- T6: a refused connection crashes, or its counters stay up.

TEST_F(Traps, T6_ABackendThatRefusesCostsOneConnectionEachAndNoCounterStaysUp) {
  backend_->Close();
  StartRouter();
  for (int i = 0; i < 100; ++i) {
    auto client = ConnectTls();
    ASSERT_TRUE(Until([&client] {
      client->Step();
      return client->end() != StreamEnd::kOpen;
    }));
    EXPECT_EQ(client->alert_received(), SSL_AD_INTERNAL_ERROR);
    client->socket().Fin();
    ASSERT_TRUE(Until([this] { return live_connections() == 0; }));
  }
  EXPECT_EQ(Ended(Reason::kEconnrefused), 100u);
  ExpectNothingLeftBehind();
}

// ---- T7, T8: a queue of cleanups that lags, or forgets what is added meanwhile.

TEST_F(Traps, T7_CleanupNeedsNoTimerAndNoQueue) {
  StartRouter();
  ASSERT_TRUE(JoinMany(300));
  Settle();
  for (auto& client : clients_) client->socket().Reset();
  EXPECT_LT(TurnsUntilEmpty(20), 20) << "while the clock stands still";
  ExpectNothingLeftBehind();
}

TEST_F(Traps, T8_ConnectionsThatEndWhileOthersAreBeingEndedAreEndedToo) {
  StartRouter();
  ASSERT_TRUE(JoinMany(100));
  Settle();
  for (size_t i = 0; i < 50; ++i) clients_[i]->socket().Reset();
  loop_->Turn(/*wait=*/false);
  manager_->EndAll(Reason::kShutdown);
  for (size_t i = 50; i < 100; ++i) clients_[i]->socket().Reset();
  loop_->Turn(/*wait=*/false);
  for (auto& peer : backend_peers_) peer->Reset();
  Settle();
  ExpectNothingLeftBehind();
  EXPECT_EQ(Ended(Reason::kEconnreset) + Ended(Reason::kShutdown), 100u);
}

// ---- T19: something blocks the loop.

TEST_F(Traps, T19_DiallingABackendThatNeverAnswersHoldsNobodyUp) {
  DialABlackHole();
  ASSERT_TRUE(ConnectMany(100));  // each handshake is done after the ones before have dialled
  Settle();
  EXPECT_EQ(live_connections(), 100u);
  Advance(route_.timeouts.connect);
  ASSERT_TRUE(UntilWithTime([this] {
    StepMany();
    return live_connections() == 0;
  }));
}

// ---- T21: a drain without a limit, or none.

TEST_F(Traps, T21_ADrainEndsIdleConnectionsAndLeavesThoseInUse) {
  route_.timeouts.initial_data = absl::ZeroDuration();
  StartRouter();
  ASSERT_TRUE(JoinMany(2));
  Settle();
  Advance(absl::Seconds(2));
  clients_[1]->Send("a question that takes long to answer");
  Settle();
  manager_->BeginDrain();
  StepMany();
  EXPECT_EQ(Ended(Reason::kShutdown), 0u) << "each still says goodbye";
  for (int i = 0; i < 100; ++i) {
    Advance(absl::Milliseconds(100));
    StepMany();
  }
  EXPECT_EQ(Ended(Reason::kShutdown), 1u);
  EXPECT_EQ(live_connections(), 1u) << "the one that awaits an answer";
  EXPECT_EQ(clients_[0]->end(), StreamEnd::kFin);
  EXPECT_EQ(clients_[1]->end(), StreamEnd::kOpen);
}

TEST_F(Traps, T21_AnAnsweredQuestionLetsADrainingConnectionGo) {
  StartRouter();
  ASSERT_TRUE(JoinMany(1));
  clients_[0]->Send("question");
  Settle();
  manager_->BeginDrain();
  Advance(absl::Seconds(20));
  EXPECT_EQ(live_connections(), 1u);
  backend_peers_[0]->Send("answer");
  for (int i = 0; i < 30; ++i) {
    Advance(absl::Milliseconds(100));
    StepMany();
  }
  EXPECT_EQ(clients_[0]->received(), "answer");
  EXPECT_TRUE(clients_[0]->close_notify_received());
  EXPECT_EQ(Ended(Reason::kShutdown), 1u);
}

TEST_F(Traps, T21_TheEndOfADrainIsBoundedByTheGrace) {
  StartRouter();
  ASSERT_TRUE(JoinMany(10));
  for (auto& client : clients_) client->Send("never answered");
  Settle();
  manager_->BeginDrain();
  Advance(absl::Seconds(30));
  EXPECT_EQ(live_connections(), 10u);
  manager_->EndAll(Reason::kShutdown);
  Advance(route_.bridge.grace);
  ExpectNothingLeftBehind();
  EXPECT_EQ(Ended(Reason::kShutdown), 10u);
}

// ---- T22: reasons on the wrong side, errnos folded into one.

TEST_F(Traps, T22_EachSideHasItsOwnReason) {
  StartRouter();
  ASSERT_TRUE(JoinMany(2));
  clients_[0]->SendCloseNotify();
  clients_[0]->socket().Fin();
  Settle();
  for (auto& peer : backend_peers_) peer->Fin();
  Settle();
  clients_[1]->SendCloseNotify();
  clients_[1]->socket().Fin();
  ASSERT_TRUE(UntilEmpty());
  EXPECT_EQ(EndedSide(Side::kIncoming, Reason::kNormal), 1u);
  EXPECT_EQ(EndedSide(Side::kOutgoing, Reason::kSocketEnd), 1u);
  EXPECT_EQ(EndedSide(Side::kIncoming, Reason::kProxyEnd), 1u);
  EXPECT_EQ(EndedSide(Side::kOutgoing, Reason::kProxyEnd), 1u);
  EXPECT_EQ(EndedSide(Side::kIncoming, Reason::kSocketEnd), 0u);
  EXPECT_EQ(Ended(Reason::kClosedIncoming), 1u);
  EXPECT_EQ(Ended(Reason::kClosedOutgoing), 1u);
}

// ---- T24: no way to see what is there.

TEST_F(Traps, T24_TheDumpTellsEveryConnectionWhateverItsClientCallsItself) {
  route_.timeouts.initial_data = absl::ZeroDuration();
  StartRouter();
  ASSERT_TRUE(JoinMany(3, {.server_name = "quote\" back\\slash \x01 \xff"}));
  backend_peers_[1]->Send("ten bytes.");
  clients_[2]->SendCloseNotify();
  Settle();
  Advance(absl::Seconds(3));
  manager_->EndAll(Reason::kAdmin);
  const auto records = nlohmann::json::parse("[" + DumpRecords() + "]");
  ASSERT_EQ(records.size(), 3u);
  size_t bytes = 0;
  for (const auto& record : records) {
    for (const char* key :
         {"id", "peer", "listener", "route", "backend", "state", "reason", "age_seconds",
          "idle_seconds", "queued_to_client", "queued_to_backend", "client_reads_paused",
          "backend_reads_paused", "timers", "tls", "cipher", "sni"}) {
      EXPECT_TRUE(record.contains(key)) << key;
    }
    EXPECT_EQ(record["state"], "draining");
    EXPECT_EQ(record["reason"], "admin");
    EXPECT_EQ(record["age_seconds"], 3.0);
    EXPECT_EQ(record["timers"].size(), 1u) << "the grace";
    bytes += record.value("bytes_sent", 0u);
  }
  EXPECT_EQ(bytes, 10u);
}

}  // namespace
}  // namespace tlsbridge::testing
