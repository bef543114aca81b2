// What the kernel says of real connections, and what is made of it.
#include "router/kernel/flow_watcher.h"

#include <poll.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "router/kernel/build_ruleset.h"
#include "router/kernel/flow_owner.h"
#include "router/kernel/kernel_table.h"
#include "tests/router/kernel/support/random_plan.h"
#include "tests/router/kernel/support/topology.h"

namespace tlsbridge::kernel {
namespace {

using testing::Topology;
using Kind = FlowEvent::Kind;
using Reason = TerminationReason;

class FlowWatcherTest : public testing::NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    net_ = std::make_unique<Topology>();
    ASSERT_TRUE(testing::SetSysctl("netfilter/nf_conntrack_acct", "1"));
    ASSERT_TRUE(testing::SetSysctl("netfilter/nf_conntrack_timestamp", "1"));
  }

  void Start(Timeouts timeouts = {}, FlowWatcher::Options options = {}) {
    Plan plan;
    plan.routes.push_back({.name = "mail", .backends = {{{Ip("10.7.2.11"), 9000}}}});
    plan.routes[0].timeouts = timeouts;
    plan.listeners.push_back({{Ip("10.7.1.1"), 443}, {{std::nullopt, 0}}});
    net_->router.Enter();
    auto watcher = FlowWatcher::Create(
        [owner = FlowOwner(plan)](const auto& original, const auto& reply) {
          return owner.Find(original, reply);
        },
        [this](const FlowEvent& event) { events_.push_back(event); }, &clock_, options);
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    watcher_ = *std::move(watcher);
    auto table = KernelTable::Create(BuildRuleset(plan), {});
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
  }

  // Reads until there is an event of this kind that nobody has asked for; null if none comes.
  const FlowEvent* Await(Kind kind) {
    for (int i = 0; i < 100; ++i) {
      while (read_ < events_.size()) {
        if (events_[read_++].kind == kind) return &events_[read_ - 1];
      }
      pollfd waiting = {watcher_->fd(), POLLIN, 0};
      if (i > 0) poll(&waiting, 1, 200);
      if (i > 0 && asks_) asks_();
      const auto more = watcher_->Read(1000);
      EXPECT_TRUE(more.ok()) << more.status();
    }
    return nullptr;
  }

  SystemClock clock_;
  std::unique_ptr<Topology> net_;
  std::unique_ptr<FlowWatcher> watcher_;
  std::unique_ptr<KernelTable> table_;
  std::vector<FlowEvent> events_;
  size_t read_ = 0;
  std::function<void()> asks_;  // now and then, while an event is waited for
};

TEST_F(FlowWatcherTest, SaysWhoEndedAConnectionAndHowMuchItMoved) {
  Start();
  Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  ASSERT_EQ(talk.backend, 0);
  ASSERT_NE(Await(Kind::kBegan), nullptr);
  ASSERT_NE(Await(Kind::kConnected), nullptr);
  EXPECT_EQ(watcher_->table().open_of("mail"), 1U);
  ASSERT_TRUE(talk.client.Send(std::string(1000, 'x')));
  EXPECT_EQ(talk.server.Receive().size(), 1000U);
  talk.client.EndWrite();
  EXPECT_EQ(talk.server.Receive(), "");
  talk.server.Close();
  EXPECT_EQ(talk.client.Receive(), "");
  const FlowEvent* const end = Await(Kind::kEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reasons,
            (FlowReasons{Reason::kClosedIncoming, Reason::kNormal, Reason::kSocketEnd}));
  EXPECT_EQ(end->flow.route, "mail");
  EXPECT_GT(end->flow.ip_bytes_from_client.value_or(0), 1000U);
  EXPECT_LT(end->flow.ip_bytes_from_client.value_or(0), 2000U);
  EXPECT_GT(end->flow.ip_bytes_from_backend.value_or(0), 100U);
  EXPECT_EQ(watcher_->table().open(), 0U);
}

TEST_F(FlowWatcherTest, SaysThatTheBackendEndedItFirst) {
  Start();
  Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  ASSERT_EQ(talk.backend, 0);
  talk.server.Close();
  EXPECT_EQ(talk.client.Receive(), "");
  talk.client.Close();
  const FlowEvent* const end = Await(Kind::kEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reasons.reason, Reason::kClosedOutgoing);
}

TEST_F(FlowWatcherTest, ARefusalIsTheBackendsFaultAndALaterResetNobodys) {
  Start();
  Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  ASSERT_EQ(talk.backend, 0);
  talk.client.Reset();
  EXPECT_EQ(talk.server.Receive(), "error");
  const FlowEvent* end = Await(Kind::kEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reasons.reason, Reason::kEconnreset);
  net_->StopBackend(0);
  EXPECT_FALSE(net_->Dial("10.7.1.1", 443).ok());
  end = Await(Kind::kEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reasons.reason, Reason::kEconnrefused);
  EXPECT_TRUE(IsBackendsFault(end->reasons));
}

TEST_F(FlowWatcherTest, AnIdleConnectionEndsByTheRoutesTimeout) {
  Start({.inactivity = absl::Seconds(1)});
  asks_ = [this] { EXPECT_TRUE(watcher_->Reconcile().ok()); };
  Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  ASSERT_EQ(talk.backend, 0);
  const FlowEvent* const end = Await(Kind::kEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reasons.reason, Reason::kInactivity);
  // Its next byte is answered by a reset.
  talk.client.Send("late");
  EXPECT_EQ(talk.client.Receive(), "error");
}

TEST_F(FlowWatcherTest, ABackendThatNeverAnswersIsTakenNoticeOfInTime) {
  Start({.connect = absl::Seconds(1)});
  net_->SilenceBackends();
  asks_ = [this] { watcher_->AskForOpening(absl::Seconds(1)); };
  const testing::Socket dialling = net_->BeginToDial("10.7.1.1", 443);
  ASSERT_NE(Await(Kind::kBegan), nullptr);
  const FlowEvent* const end = Await(Kind::kEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reasons.reason, Reason::kConnectTimeout);
  EXPECT_TRUE(IsBackendsFault(end->reasons));
}

TEST_F(FlowWatcherTest, AConnectionThatIsRemovedIsResetAndHasOurReason) {
  Start();
  Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  ASSERT_EQ(talk.backend, 0);
  const FlowEvent* const began = Await(Kind::kConnected);
  ASSERT_NE(began, nullptr);
  const uint32_t id = began->flow.id;
  const absl::Status removed = watcher_->Remove(id, Reason::kMaxLifetime);
  EXPECT_TRUE(removed.ok()) << removed;
  const FlowEvent* const end = Await(Kind::kEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reasons.reason, Reason::kMaxLifetime);
  talk.client.Send("late");
  EXPECT_EQ(talk.client.Receive(), "error");
  EXPECT_TRUE(absl::IsNotFound(watcher_->Remove(id, Reason::kMaxLifetime)));
}

TEST_F(FlowWatcherTest, EventsThatWereLostAreMadeGood) {
  Start({}, {.receive_buffer_bytes = 4096});
  std::vector<Topology::Talk> talks;
  for (int i = 0; i < 40; ++i) talks.push_back(net_->Connect("10.7.1.1", 443));
  for (int i = 0; i < 10; ++i) {
    talks[static_cast<size_t>(i)].client.Reset();
    EXPECT_EQ(talks[static_cast<size_t>(i)].server.Receive(), "error");
  }
  ASSERT_TRUE(watcher_->Read(10000).ok());
  EXPECT_GT(watcher_->overflows(), 0U);
  // Entries of those that were reset stay for a second.
  while (watcher_->table().open() > 30 && Await(Kind::kEnded) != nullptr) {
  }
  EXPECT_EQ(watcher_->table().open(), 30U);
  const auto count = [&](Kind kind) {
    return std::count_if(events_.begin(), events_.end(),
                         [&](const FlowEvent& event) { return event.kind == kind; });
  };
  EXPECT_EQ(count(Kind::kBegan) - count(Kind::kEnded), 30);
}

TEST_F(FlowWatcherTest, ConnectionsThatAreThereAlreadyAreFound) {
  Start();
  Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  ASSERT_EQ(talk.backend, 0);
  table_.reset();
  events_.clear();
  read_ = 0;
  Start();
  const FlowEvent* const began = Await(Kind::kBegan);
  ASSERT_NE(began, nullptr);
  EXPECT_EQ(began->flow.route, "mail");
  EXPECT_EQ(watcher_->table().open(), 1U);
}

}  // namespace
}  // namespace tlsbridge::kernel
