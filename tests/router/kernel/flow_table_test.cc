#include "router/kernel/flow_table.h"

#include <linux/netfilter/nf_conntrack_tcp.h>

#include <map>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "router/handover/flows_message.h"
#include "router/kernel/flow_owner.h"
#include "tests/router/kernel/support/random_plan.h"

namespace tlsbridge::kernel {
namespace {

using netlink::FlowMessage;
using netlink::FlowTuple;
using Kind = FlowMessage::Kind;
using EventKind = FlowEvent::Kind;
using Reason = TerminationReason;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

FlowMessage Message(Kind kind, uint32_t id, std::optional<uint8_t> state = std::nullopt) {
  FlowMessage message;
  message.kind = kind;
  message.id = id;
  message.original = {Ip("10.7.1.2"), Ip("10.7.1.1"), static_cast<uint16_t>(4000 + id), 443};
  message.reply = {Ip("10.7.2.11"), Ip("10.7.1.2"), 9000, static_cast<uint16_t>(4000 + id)};
  message.tcp_state = state;
  return message;
}

FlowTable::Owner Everything() {
  return [](const FlowTuple&, const FlowTuple&) { return std::optional<std::string>("mail"); };
}

std::vector<EventKind> KindsOf(const std::vector<FlowEvent>& events) {
  std::vector<EventKind> kinds;
  kinds.reserve(events.size());
  for (const FlowEvent& event : events) kinds.push_back(event.kind);
  return kinds;
}

class FlowTableTest : public ::testing::Test {
 protected:
  std::vector<EventKind> Take(const FlowMessage& message) {
    last_ = table_.Take(message, kNow);
    return KindsOf(last_);
  }
  // A flow that has come as far as `state`.
  void Bring(uint32_t id, std::initializer_list<uint8_t> states) {
    Take(Message(Kind::kNew, id, TCP_CONNTRACK_SYN_SENT));
    for (const uint8_t state : states) Take(Message(Kind::kUpdate, id, state));
  }
  FlowReasons EndedBy(const FlowMessage& message) {
    EXPECT_EQ(Take(message), std::vector<EventKind>{EventKind::kEnded});
    return last_.empty() ? FlowReasons() : last_.back().reasons;
  }

  FlowTable table_{Everything()};
  std::vector<FlowEvent> last_;
};

TEST_F(FlowTableTest, AFlowBeginsIsConnectedAndEndsOnceEach) {
  EXPECT_EQ(Take(Message(Kind::kNew, 1, TCP_CONNTRACK_SYN_SENT)),
            std::vector<EventKind>{EventKind::kBegan});
  EXPECT_EQ(table_.open(), 1U);
  EXPECT_EQ(table_.open_of("mail"), 1U);
  EXPECT_TRUE(Take(Message(Kind::kUpdate, 1, TCP_CONNTRACK_SYN_RECV)).empty());
  EXPECT_EQ(Take(Message(Kind::kUpdate, 1, TCP_CONNTRACK_ESTABLISHED)),
            std::vector<EventKind>{EventKind::kConnected});
  FlowMessage fin = Message(Kind::kUpdate, 1, TCP_CONNTRACK_FIN_WAIT);
  fin.client_flags = IP_CT_TCP_FLAG_CLOSE_INIT;
  EXPECT_TRUE(Take(fin).empty());
  EXPECT_TRUE(Take(Message(Kind::kUpdate, 1, TCP_CONNTRACK_TIME_WAIT)).empty());
  // Over, though its record waits for its counters.
  EXPECT_EQ(table_.open(), 0U);
  ASSERT_EQ(table_.TakeUnasked().size(), 1U);
  EXPECT_TRUE(table_.TakeUnasked().empty());
  FlowMessage answer = Message(Kind::kUpdate, 1, TCP_CONNTRACK_TIME_WAIT);
  answer.client_bytes = {5, 1320};
  answer.backend_bytes = {4, 1286};
  EXPECT_EQ(EndedBy(answer),
            (FlowReasons{Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd}));
  EXPECT_EQ(last_[0].flow.ip_bytes_from_client, 1320U);
  EXPECT_EQ(last_[0].flow.ip_bytes_from_backend, 1286U);
  EXPECT_TRUE(Take(Message(Kind::kDestroy, 1, TCP_CONNTRACK_TIME_WAIT)).empty());
}

TEST_F(FlowTableTest, AnEndWithoutAnAnswerIsToldOfWhenTheEntryGoes) {
  Bring(1, {TCP_CONNTRACK_ESTABLISHED});
  FlowMessage fin = Message(Kind::kUpdate, 1, TCP_CONNTRACK_FIN_WAIT);
  fin.backend_flags = IP_CT_TCP_FLAG_CLOSE_INIT;
  Take(fin);
  Take(Message(Kind::kUpdate, 1, TCP_CONNTRACK_TIME_WAIT));
  FlowMessage gone = Message(Kind::kDestroy, 1);
  gone.started = 1'000'000'000;
  gone.stopped = 3'000'000'000;
  EXPECT_EQ(EndedBy(gone),
            (FlowReasons{Reason::kClosedOutgoing, Reason::kProxyEnd, Reason::kNormal}));
  EXPECT_EQ(last_[0].ended_at, absl::FromUnixSeconds(3));
  EXPECT_FALSE(last_[0].flow.ip_bytes_from_client.has_value());
}

TEST_F(FlowTableTest, WhereNothingIsCountedTheAnswerIsTheEndAllTheSame) {
  Bring(1, {TCP_CONNTRACK_ESTABLISHED, TCP_CONNTRACK_TIME_WAIT});
  ASSERT_EQ(table_.TakeUnasked().size(), 1U);
  last_ = table_.Take(Message(Kind::kUpdate, 1, TCP_CONNTRACK_TIME_WAIT), kNow,
                      FlowTable::From::kAnswer);
  EXPECT_EQ(KindsOf(last_), std::vector<EventKind>{EventKind::kEnded});
  EXPECT_FALSE(last_[0].flow.ip_bytes_from_client.has_value());
}

TEST_F(FlowTableTest, WhatAFlowMovesAfterItsEndWasToldIsToldOfToo) {
  for (const uint64_t late : {uint64_t{120}, uint64_t{50'000}}) {
    const uint32_t id = late > 1000 ? 1 : 2;
    Bring(id, {TCP_CONNTRACK_ESTABLISHED, TCP_CONNTRACK_FIN_WAIT, TCP_CONNTRACK_TIME_WAIT});
    FlowMessage answer = Message(Kind::kUpdate, id, TCP_CONNTRACK_TIME_WAIT);
    answer.client_bytes = {5, 1320};
    answer.backend_bytes = {4, 1286};
    EndedBy(answer);
    FlowMessage gone = Message(Kind::kDestroy, id, TCP_CONNTRACK_TIME_WAIT);
    gone.client_bytes = {50, 1320 + late};
    gone.backend_bytes = {4, 1286};
    // Acknowledgements and what is sent twice are no news.
    EXPECT_EQ(Take(gone),
              late > 1000 ? std::vector<EventKind>{EventKind::kWentOn} : std::vector<EventKind>());
  }
  ASSERT_EQ(last_.size(), 1U);
  EXPECT_EQ(last_[0].late_from_client, 50'000U);
  EXPECT_EQ(last_[0].late_from_backend, 0U);
}

TEST_F(FlowTableTest, ResetBeforeAConnectionIsARefusalAndLaterAReset) {
  Bring(1, {});
  EXPECT_EQ(EndedBy(Message(Kind::kDestroy, 1, TCP_CONNTRACK_CLOSE)).outgoing,
            Reason::kEconnrefused);
  EXPECT_TRUE(IsBackendsFault(last_[0].reasons));
  Bring(2, {TCP_CONNTRACK_ESTABLISHED});
  EXPECT_EQ(EndedBy(Message(Kind::kDestroy, 2, TCP_CONNTRACK_CLOSE)).outgoing, Reason::kEconnreset);
  EXPECT_FALSE(IsBackendsFault(last_[0].reasons));
}

TEST_F(FlowTableTest, AnEntryThatTimesOutSaysWhatWasMissing) {
  const std::map<uint8_t, Reason> expected = {
      {TCP_CONNTRACK_SYN_SENT, Reason::kConnectTimeout},
      {TCP_CONNTRACK_SYN_RECV, Reason::kEtimedout},
      {TCP_CONNTRACK_ESTABLISHED, Reason::kInactivity},
      {TCP_CONNTRACK_FIN_WAIT, Reason::kHalfCloseTimeout},
      {TCP_CONNTRACK_CLOSE_WAIT, Reason::kHalfCloseTimeout},
      {TCP_CONNTRACK_LAST_ACK, Reason::kClosedIncoming},
  };
  uint32_t id = 0;
  for (const auto& [state, reason] : expected) {
    Bring(++id, {state});
    // Kernels before 5.11 do not say the state here.
    EXPECT_EQ(EndedBy(Message(Kind::kDestroy, id)).reason, reason) << int{state};
  }
  EXPECT_EQ(table_.open(), 0U);
}

TEST_F(FlowTableTest, WhatWeRemoveHasOurReason) {
  Bring(1, {TCP_CONNTRACK_ESTABLISHED});
  EXPECT_TRUE(table_.WillRemove(1, Reason::kMaxLifetime));
  EXPECT_EQ(EndedBy(Message(Kind::kDestroy, 1, TCP_CONNTRACK_ESTABLISHED)).reason,
            Reason::kMaxLifetime);
  EXPECT_FALSE(table_.WillRemove(1, Reason::kMaxLifetime));
}

TEST_F(FlowTableTest, FlowsOfOthersAreLeftOut) {
  FlowTable table([](const FlowTuple&, const FlowTuple&) { return std::nullopt; });
  EXPECT_TRUE(table.Take(Message(Kind::kNew, 1), kNow).empty());
  EXPECT_TRUE(table.Take(Message(Kind::kDestroy, 1), kNow).empty());
  EXPECT_EQ(table.open(), 0U);
}

TEST_F(FlowTableTest, ADumpTellsOfWhatWasMissed) {
  Bring(1, {TCP_CONNTRACK_ESTABLISHED});
  Bring(2, {TCP_CONNTRACK_ESTABLISHED});
  table_.BeginDump();
  EXPECT_TRUE(Take(Message(Kind::kNew, 1, TCP_CONNTRACK_ESTABLISHED)).empty());
  EXPECT_EQ(Take(Message(Kind::kNew, 3, TCP_CONNTRACK_ESTABLISHED)),
            (std::vector<EventKind>{EventKind::kBegan, EventKind::kConnected}));
  const std::vector<FlowEvent> ended = table_.EndDump(kNow);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].flow.id, 2U);
  EXPECT_TRUE(ended[0].flow.course.vanished);
  EXPECT_EQ(ended[0].reasons.reason, Reason::kProxyError);
  EXPECT_EQ(table_.open(), 2U);
  // Its end was not lost, but late.
  EXPECT_TRUE(Take(Message(Kind::kDestroy, 2, TCP_CONNTRACK_ESTABLISHED)).empty());
}

TEST_F(FlowTableTest, ANumberThatAnotherFlowHasMeansThatTheFirstIsGone) {
  Bring(1, {TCP_CONNTRACK_ESTABLISHED});
  FlowMessage other = Message(Kind::kNew, 1, TCP_CONNTRACK_SYN_SENT);
  other.original.source_port = 5000;
  EXPECT_EQ(Take(other), (std::vector<EventKind>{EventKind::kEnded, EventKind::kBegan}));
  EXPECT_EQ(table_.open(), 1U);
}

// What anybody may rely on, whatever comes in whatever order: each flow begins, then ends, once;
// the count is that of flows that are not over; nothing is kept of what is gone.
TEST(FlowTableModelTest, EveryFlowBeginsAndEndsOnceWhateverIsLost) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    FlowTable table(Everything());
    std::map<uint32_t, int> told;  // 1: begun; 0: ended
    const auto check = [&](const std::vector<FlowEvent>& events) {
      for (const FlowEvent& event : events) {
        int& state = told[event.flow.id];
        switch (event.kind) {
          case EventKind::kBegan:
            ASSERT_EQ(state, 0) << "seed " << seed;
            state = 1;
            break;
          case EventKind::kConnected:
            ASSERT_EQ(state, 1) << "seed " << seed;
            break;
          case EventKind::kWentOn:
            ASSERT_EQ(state, 0) << "seed " << seed;
            break;
          case EventKind::kEnded:
            ASSERT_EQ(state, 1) << "seed " << seed;
            ASSERT_NE(event.reasons.reason, Reason::kNone);
            state = 0;
            break;
        }
      }
    };
    for (int step = 0; step < 300; ++step) {
      FlowMessage message = Message(static_cast<Kind>(random() % 3), random() % 6,
                                    static_cast<uint8_t>(random() % (TCP_CONNTRACK_SYN_SENT2 + 1)));
      if (random() % 3 == 0) message.tcp_state.reset();
      if (random() % 4 == 0) message.original.source_port = 9;
      if (random() % 3 == 0) message.client_bytes = {1, 2};
      if (random() % 4 == 0) message.client_flags = IP_CT_TCP_FLAG_CLOSE_INIT;
      if (random() % 10 == 0) table.WillRemove(random() % 6, Reason::kAdmin);
      if (random() % 20 == 0) table.BeginDump();
      if (random() % 20 == 0) check(table.EndDump(kNow));
      check(table.Take(message, kNow));
      size_t begun = 0;
      for (const auto& [id, state] : told) begun += state == 1 ? 1 : 0;
      ASSERT_LE(table.open(), begun);
      ASSERT_EQ(table.Snapshot().size(), table.open());
      ASSERT_EQ(table.open_of("mail"), table.open());
    }
    table.BeginDump();
    check(table.EndDump(kNow));
    ASSERT_EQ(table.open(), 0U);
    for (const auto& [id, state] : told) ASSERT_EQ(state, 0) << "seed " << seed;
  }
}

TEST(FlowOwnerTest, FindsTheRouteByWhatWasDialledAndWhoAnswers) {
  Plan plan;
  plan.routes.push_back({.name = "mail", .backends = {{{Ip("10.7.2.11"), 9000}}}});
  plan.routes.push_back({.name = "web", .backends = {{{Ip("10.7.2.12"), 9000}}}});
  plan.listeners.push_back(
      {{Ip("10.7.1.1"), 443}, {{*Cidr::Parse("10.0.0.0/8"), 0}, {*Cidr::Parse("11.0.0.0/8"), 1}}});
  plan.listeners.push_back({{Ip("0.0.0.0"), 80}, {{std::nullopt, 1}}});
  const FlowOwner owner(plan);
  const auto find = [&](const char* client, const char* dialled, uint16_t port, const char* backend,
                        uint16_t backend_port = 9000) {
    return owner.Find({Ip(client), Ip(dialled), 4000, port},
                      {Ip(backend), Ip(client), backend_port, 4000});
  };
  EXPECT_EQ(find("10.1.1.1", "10.7.1.1", 443, "10.7.2.11"), "mail");
  EXPECT_EQ(find("11.1.1.1", "10.7.1.1", 443, "10.7.2.12"), "web");
  EXPECT_EQ(find("11.1.1.1", "10.7.1.9", 80, "10.7.2.12"), "web");
  // Nobody's client, another's translation, and a connection that the program accepted.
  EXPECT_EQ(find("12.1.1.1", "10.7.1.1", 443, "10.7.2.12"), std::nullopt);
  EXPECT_EQ(find("10.1.1.1", "10.7.1.1", 443, "10.9.9.9"), std::nullopt);
  EXPECT_EQ(find("10.1.1.1", "10.7.1.1", 443, "10.7.1.1", 443), std::nullopt);
  EXPECT_EQ(find("10.1.1.1", "10.7.1.1", 444, "10.7.2.11"), std::nullopt);
  EXPECT_EQ(find("fd00::1", "fd00::2", 80, "fd00::3"), std::nullopt);
}

// ---- In the next process.

TEST_F(FlowTableTest, WhatAnotherProcessKnewIsNotToldOfAgain) {
  Bring(1, {TCP_CONNTRACK_ESTABLISHED});
  Bring(2, {TCP_CONNTRACK_ESTABLISHED, TCP_CONNTRACK_TIME_WAIT});
  table_.Take(Message(Kind::kUpdate, 2, TCP_CONNTRACK_TIME_WAIT), kNow, FlowTable::From::kAnswer);
  Bring(3, {TCP_CONNTRACK_ESTABLISHED, TCP_CONNTRACK_TIME_WAIT});  // not recorded yet
  FlowTable next([](const FlowTuple&, const FlowTuple&) { return std::nullopt; });
  const auto known = DecodeFlows(EncodeFlows(table_.Known()).span());
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(known->size(), 3U);
  next.Expect(*known);

  next.BeginDump();
  const auto take = [&next](Kind kind, uint32_t id, uint8_t state, FlowTable::From from) {
    FlowMessage message = Message(kind, id, state);
    message.client_bytes = {5, 1320};
    message.started = 1'000'000'000;
    return next.Take(message, kNow, from);
  };
  const std::vector<FlowEvent> first =
      take(Kind::kUpdate, 1, TCP_CONNTRACK_ESTABLISHED, FlowTable::From::kAnswer);
  EXPECT_EQ(KindsOf(first), (std::vector<EventKind>{EventKind::kBegan, EventKind::kConnected}));
  EXPECT_TRUE(first[0].flow.was_known && first[0].flow.was_found);
  EXPECT_EQ(first[0].flow.route, "mail") << "of which this table's owner knows nothing";
  EXPECT_EQ(first[0].flow.ip_bytes_from_client, 1320U);
  EXPECT_EQ(first[0].flow.began_at, absl::FromUnixSeconds(1));
  EXPECT_TRUE(take(Kind::kUpdate, 2, TCP_CONNTRACK_TIME_WAIT, FlowTable::From::kAnswer).empty());
  EXPECT_EQ(next.open(), 1U);
  EXPECT_EQ(KindsOf(take(Kind::kUpdate, 3, TCP_CONNTRACK_TIME_WAIT, FlowTable::From::kAnswer)),
            (std::vector<EventKind>{EventKind::kBegan, EventKind::kConnected, EventKind::kEnded}));
  EXPECT_TRUE(next.EndDump(kNow).empty());

  EXPECT_TRUE(take(Kind::kDestroy, 2, TCP_CONNTRACK_TIME_WAIT, FlowTable::From::kEvent).empty());
  EXPECT_EQ(KindsOf(take(Kind::kDestroy, 1, TCP_CONNTRACK_CLOSE, FlowTable::From::kEvent)),
            std::vector<EventKind>{EventKind::kEnded});
  // A number that is given again is a flow of its own.
  EXPECT_TRUE(take(Kind::kNew, 2, TCP_CONNTRACK_SYN_SENT, FlowTable::From::kEvent).empty());
  EXPECT_EQ(next.open(), 0U);
}

TEST_F(FlowTableTest, OneThatEndsBeforeItsNextProcessLooksHasItsWholeTime) {
  table_.Expect({{1, "mail"}});
  table_.BeginDump();
  table_.EndDump(kNow);
  table_.Expect({{1, "mail"}});
  Take(Message(Kind::kUpdate, 1, TCP_CONNTRACK_FIN_WAIT));
  FlowMessage gone = Message(Kind::kDestroy, 1, TCP_CONNTRACK_TIME_WAIT);
  gone.started = 1'000'000'000;
  gone.stopped = 3'000'000'000;
  EXPECT_EQ(Take(gone), std::vector<EventKind>{EventKind::kEnded});
  EXPECT_EQ(last_[0].ended_at - last_[0].flow.began_at, absl::Seconds(2));
}

TEST(KnownFlows, CutOrMadeUpTheyAreRefused) {
  const std::vector<KnownFlow> flows = {{7, "mail"}, {8, std::nullopt}, {9, "web"}, {10, "mail"}};
  const SecretBytes bytes = EncodeFlows(flows);
  EXPECT_EQ(*DecodeFlows(bytes.span()), flows);
  EXPECT_TRUE(DecodeFlows(EncodeFlows({}).span())->empty());
  int wholes = 0;  // without the last flows it is a whole, too
  for (size_t size = 0; size < bytes.size(); ++size) {
    wholes += DecodeFlows(bytes.span().first(size)).ok() ? 1 : 0;
  }
  EXPECT_EQ(wholes, 4);
  // Four billion routes in no bytes; a flow of a route that there is not.
  EXPECT_FALSE(DecodeFlows(std::vector<uint8_t>{255, 255, 255, 255}).ok());
  EXPECT_FALSE(DecodeFlows(std::vector<uint8_t>{0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1}).ok());
}

}  // namespace
}  // namespace tlsbridge::kernel
