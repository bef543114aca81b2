#include "tools/chaos/case.h"

#include "gtest/gtest.h"

namespace tlsbridge::chaos {
namespace {

// An exchange in which all went well.
Case GoodCase() {
  Case c;
  c.client.connected = c.client.done = c.client.handshake_done = true;
  c.client.sent = c.backend.received = 1000;
  c.backend.sent = c.client.received = 500;
  c.client.close_notify_sent = c.client.close_notify_received = true;
  c.client.own_end = OwnEnd::kFin;
  c.client.peer_end = c.backend.peer_end = PeerEnd::kFin;
  c.backend.accepted = c.backend.done = true;
  c.backend.own_end = OwnEnd::kFin;
  return c;
}

TEST(CaseTest, NothingIsWrongWithAnOrderlyExchange) {
  EXPECT_EQ(Judge(GoodCase()), std::vector<std::string>());
}

TEST(CaseTest, AMissingByteIsWrong) {
  Case c = GoodCase();
  --c.client.received;
  EXPECT_FALSE(Judge(c).empty());
  c = GoodCase();
  --c.backend.received;
  EXPECT_FALSE(Judge(c).empty());
}

TEST(CaseTest, AWrongByteIsWrongWhateverThePlan) {
  for (int kind = 0; kind < kKinds; ++kind) {
    Case c = GoodCase();
    c.plan.kind = static_cast<Kind>(kind);
    c.backend.garbled = true;
    EXPECT_FALSE(Judge(c).empty()) << KindName(c.plan.kind);
  }
}

TEST(CaseTest, ACutStreamThatLooksCompleteToTheBackendIsWrong) {
  Case c = GoodCase();
  c.plan.kind = Kind::kBodyCut;
  c.client.close_notify_sent = false;
  EXPECT_FALSE(Judge(c).empty());
  c.backend.peer_end = PeerEnd::kReset;
  c.client.close_notify_received = false;
  EXPECT_EQ(Judge(c), std::vector<std::string>());
}

TEST(CaseTest, ABackendsResetThatLooksCompleteToTheClientIsWrong) {
  Case c = GoodCase();
  c.plan.kind = Kind::kBackendResets;
  c.backend.own_end = OwnEnd::kReset;
  c.backend.peer_end = PeerEnd::kOpen;
  EXPECT_FALSE(Judge(c).empty());
  c.client.close_notify_received = false;
  c.client.peer_end = PeerEnd::kReset;
  EXPECT_EQ(Judge(c), std::vector<std::string>());
}

TEST(CaseTest, OnARouteThatIsTakenAwayWhatArrivesMustBeRightButNeedNotBeAll) {
  Case c = GoodCase();
  c.may_be_removed = true;
  --c.client.received;
  EXPECT_EQ(Judge(c), std::vector<std::string>());
  EXPECT_EQ(PossibleReasons(c).count("route_removed"), 1u);
  c.client.garbled = true;
  EXPECT_FALSE(Judge(c).empty());
  c = GoodCase();
  c.may_be_removed = true;
  c.client.hung = true;
  EXPECT_FALSE(Judge(c).empty());
}

TEST(CaseTest, WhoeverWaitsForEverIsWrong) {
  Case c = GoodCase();
  c.client.hung = true;
  EXPECT_FALSE(Judge(c).empty());
}

TEST(CaseTest, TheSideThatWaitsForTheOtherDecidesTheReason) {
  Case c = GoodCase();
  c.plan.backend = {.bytes = 500, .hold_at = 500};
  EXPECT_EQ(PossibleReasons(c), std::set<std::string>{"closed_incoming"});
  c.plan.backend.hold_at = kNever;
  c.plan.client = {.bytes = 1000, .hold_at = 0};
  EXPECT_EQ(PossibleReasons(c), std::set<std::string>{"closed_outgoing"});
}

}  // namespace
}  // namespace tlsbridge::chaos
