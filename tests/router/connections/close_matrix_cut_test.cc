// The close matrix: a deadline or a decision ends what may not be over. Every such reason meets
// every stage of a conversation: what was under way must look cut, on both peers' sides, and
// nothing else may.

#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/close_matrix.h"

namespace tlsbridge::testing {
namespace {

using Reason = TerminationReason;

enum class When {
  kNothingSaid,
  kAnswered,        // a question and its answer, and then a pause
  kUnanswered,      // a question, however long ago
  kAmidAnswer,      // the backend sent something just now
  kAmidRequest,     // the client did
  kAmidRecord,      // an answer, a pause, and the beginning of the client's next record
  kStalledAnswer,   // all that the backend sends for now is queued for a client that takes none
  kStalledRequest,  // and the reverse
  kClientEnded,     // the client has ended its stream, and the backend answers
  kBackendEnded,    // the backend has ended its stream, and the client goes on
};

struct Case {
  Reason reason;
  When when;
};

std::string NameOf(When when) {
  switch (when) {
    case When::kNothingSaid:
      return "nothing_said";
    case When::kAnswered:
      return "answered";
    case When::kUnanswered:
      return "unanswered";
    case When::kAmidAnswer:
      return "amid_answer";
    case When::kAmidRequest:
      return "amid_request";
    case When::kAmidRecord:
      return "amid_record";
    case When::kStalledAnswer:
      return "stalled_answer";
    case When::kStalledRequest:
      return "stalled_request";
    case When::kClientEnded:
      return "client_ended";
    case When::kBackendEnded:
      return "backend_ended";
  }
  return "";
}

std::string NameOf(const Case& one) {
  return std::string(TerminationReasonName(one.reason)) + "_" + NameOf(one.when);
}

void PrintTo(const Case& one, std::ostream* out) { *out << NameOf(one); }

// All that can meet.
std::vector<Case> Cases() {
  constexpr When kAll[] = {When::kNothingSaid, When::kAnswered,    When::kUnanswered,
                           When::kAmidAnswer,  When::kAmidRequest, When::kAmidRecord,
                           When::kClientEnded, When::kBackendEnded};
  std::vector<Case> cases;
  for (const Reason reason :
       {Reason::kShutdown, Reason::kAdmin, Reason::kRouteRemoved, Reason::kMaxLifetime}) {
    for (const When when : kAll) cases.push_back({reason, when});
    cases.push_back({reason, When::kStalledAnswer});
    cases.push_back({reason, When::kStalledRequest});
  }
  cases.push_back({Reason::kInitialTimeout, When::kNothingSaid});
  for (const When when : {When::kNothingSaid, When::kAnswered, When::kUnanswered, When::kAmidRecord,
                          When::kClientEnded, When::kBackendEnded}) {
    cases.push_back({Reason::kInactivity, when});
  }
  cases.push_back({Reason::kHalfCloseTimeout, When::kClientEnded});
  cases.push_back({Reason::kHalfCloseTimeout, When::kBackendEnded});
  return cases;
}

// With each version. TLS 1.2 knows no connection of which one stream only has ended at the client's
// wish (RFC 5246 section 7.2.1).
std::vector<std::tuple<Case, uint16_t>> CasesOfAllVersions() {
  std::vector<std::tuple<Case, uint16_t>> all;
  for (const Case& one : Cases()) {
    all.emplace_back(one, TLS1_3_VERSION);
    if (one.when != When::kClientEnded) all.emplace_back(one, TLS1_2_VERSION);
  }
  return all;
}

class CloseMatrixCut : public RouterFixture,
                       public ::testing::WithParamInterface<std::tuple<Case, uint16_t>> {
 protected:
  Reason reason() const { return std::get<0>(GetParam()).reason; }
  When when() const { return std::get<0>(GetParam()).when; }

  void SetUp() override {
    RouterFixture::SetUp();
    const auto deadline = [this](Reason reason_of_it) {
      return reason() == reason_of_it ? kDeadline : absl::ZeroDuration();
    };
    route_.timeouts.initial_data = deadline(Reason::kInitialTimeout);
    route_.timeouts.inactivity = deadline(Reason::kInactivity);
    route_.timeouts.half_close = deadline(Reason::kHalfCloseTimeout);
    route_.timeouts.max_lifetime = deadline(Reason::kMaxLifetime);
    config_.shutdown.drain_timeout = absl::ZeroDuration();
    StartRouter();
    ASSERT_NO_FATAL_FAILURE(ConnectThrough({.version = std::get<1>(GetParam())}));
  }

  void Converse() {
    if (when() == When::kNothingSaid) return;
    client_->Send("question ");
    Settle();
    if (when() == When::kClientEnded) client_->SendCloseNotify();
    if (when() == When::kUnanswered) return Advance(absl::Hours(1));
    Settle();
    if (when() == When::kAmidRequest) return;
    if (when() == When::kStalledRequest) {
      backend_peer_->StallReading(true);
      client_->Send(std::string(kMoreThanBuffersHold, 'r'));
      ASSERT_TRUE(Until([this] { return QueuedBytes() > 0; }));
      return;
    }
    backend_peer_->Send("answer ");
    if (when() == When::kBackendEnded) backend_peer_->Fin();
    Settle();
    if (when() == When::kBackendEnded) client_->Send("and another thing ");
    if (when() == When::kStalledAnswer) {
      client_->socket().StallReading(true);
      backend_peer_->Send(std::string(kMoreThanBuffersHold, 'a'));
      ASSERT_TRUE(Until([this] { return QueuedBytes() > 0; }));
    }
    Settle();
    if (when() == When::kAnswered || when() == When::kAmidRecord) Advance(absl::Seconds(2));
    if (when() == When::kAmidRecord)
      client_->socket().Send("\x17\x03\x03\x40" + std::string(2, '\0'));
    Settle();
  }

  void End() {
    switch (reason()) {
      case Reason::kShutdown:
      case Reason::kAdmin:
        manager_->EndAll(reason());
        break;
      case Reason::kRouteRemoved:
        RemoveRoute();
        break;
      default:
        AwaitDeadline();
        break;
    }
  }

  void RemoveRoute() {
    Config without = config_;
    without.routes.front().name = "another";
    auto live =
        LiveConfig::Assemble(without, {{.server = tls_}}, /*previous=*/nullptr, loop_->now());
    ASSERT_TRUE(live.ok()) << live.status();
    manager_->Adopt(*live);
  }

  // What goes on goes on meanwhile.
  void AwaitDeadline() {
    const absl::Time latest = clock_.Monotonic() + 1.06 * kDeadline;
    while (clock_.Monotonic() < latest && !Dump().contains("reason")) {
      if (when() == When::kAmidAnswer) backend_peer_->Send("more ");
      if (when() == When::kAmidRequest) client_->Send("more ");
      Advance(absl::Milliseconds(500));
    }
  }

  nlohmann::json Dump() const {
    const std::string records = DumpRecords();
    return records.empty() ? nlohmann::json({{"reason", "gone"}}) : nlohmann::json::parse(records);
  }

  // Stalled peers read on.
  bool BothSawAnEnd() {
    client_->socket().StallReading(false);
    backend_peer_->StallReading(false);
    return UntilWithTime([this] {
      return client_->end() != StreamEnd::kOpen && backend_peer_->end() != StreamEnd::kOpen;
    });
  }

  static constexpr absl::Duration kDeadline = absl::Minutes(1);
  static constexpr size_t kMoreThanBuffersHold = 20'000'000;

  LogCapture log_;
};

TEST_P(CloseMatrixCut, WhatWasUnderWayLooksCutAndNothingElseDoes) {
  ASSERT_NO_FATAL_FAILURE(Converse());
  const std::string sent_to_client = client_->received();
  ASSERT_NO_FATAL_FAILURE(End());
  ASSERT_TRUE(BothSawAnEnd());

  const bool idle = when() == When::kNothingSaid || when() == When::kAnswered;
  const bool answer_complete = idle || when() == When::kBackendEnded;
  const bool request_complete = idle || when() == When::kClientEnded;
  EXPECT_EQ(client_->close_notify_received(), answer_complete);
  EXPECT_EQ(client_->end(), answer_complete ? StreamEnd::kFin : StreamEnd::kReset);
  EXPECT_EQ(backend_peer_->end(), request_complete ? StreamEnd::kFin : StreamEnd::kReset);
  EXPECT_EQ(client_->received().find(sent_to_client), 0u) << "what had come stays";
  if (when() == When::kAmidRequest || when() == When::kUnanswered) {
    EXPECT_EQ(backend_peer_->received().find("question "), 0u) << "cut only behind the last byte";
  }

  if (answer_complete) {
    client_->SendCloseNotify();
    client_->socket().Fin();
  }
  if (request_complete) backend_peer_->Fin();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  ExpectOneEnd(reason(), reason(), reason());
  const auto ends = log_.Events("connection_end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].value("reason", ""), std::string(TerminationReasonName(reason())));
}

// Whose own stream was not over, and the other's was: it has had all, and finds nobody any more.
TEST_P(CloseMatrixCut, WhoGoesOnSendingMeetsAReset) {
  if (when() != When::kClientEnded && when() != When::kBackendEnded) return;
  ASSERT_NO_FATAL_FAILURE(Converse());
  ASSERT_NO_FATAL_FAILURE(End());
  Peer& sender = when() == When::kClientEnded ? *backend_peer_ : client_->socket();
  ASSERT_TRUE(UntilWithTime([this] { return live_connections() == 0; }));
  sender.Send("too late");
  sender.Send("answered by a reset");
  Settle();
  EXPECT_EQ(sender.end(), StreamEnd::kReset);
}

INSTANTIATE_TEST_SUITE_P(Reasons, CloseMatrixCut, ::testing::ValuesIn(CasesOfAllVersions()),
                         [](const ::testing::TestParamInfo<CloseMatrixCut::ParamType>& info) {
                           const bool old = std::get<1>(info.param) == TLS1_2_VERSION;
                           return NameOf(std::get<0>(info.param)) + (old ? "_Tls12" : "_Tls13");
                         });

}  // namespace
}  // namespace tlsbridge::testing
