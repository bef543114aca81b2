// The engine on a loop, with real connections.
#include "router/kernel/kernel_engine.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/router/kernel/support/random_plan.h"
#include "tests/router/kernel/support/topology.h"

namespace tlsbridge::kernel {
namespace {

using testing::Topology;
using Kind = FlowEvent::Kind;
using Reason = TerminationReason;

class KernelEngineTest : public testing::NamespaceTest,
                         protected KernelEngine::Observer,
                         protected KernelEngine::Source {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    net_ = std::make_unique<Topology>();
    net_->ListenOnRouter("10.7.1.1", 443);
    loop_ = *EventLoop::Create(&clock_);
    plan_.routes.push_back({.name = "mail", .backends = {At(11), At(12)}});
    plan_.listeners.push_back({{Ip("10.7.1.1"), 443}, {{std::nullopt, 0}}});
    StartEngine({});
  }

  void StartEngine(KernelEngine::Options options, EventLoop* loop = nullptr) {
    auto engine = KernelEngine::Start(this, options, loop == nullptr ? loop_.get() : loop, this);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  static Backend At(uint8_t last) {
    IpBytes address = Ip("10.7.2.0");
    address[15] = last;
    return {{address, 9000}};
  }

  Plan PlanNow() override {
    ++asked_;
    return plan_;
  }
  std::optional<Route> RouteNow(const std::string& name) override {
    asked_for_.push_back(name);
    for (const Route& route : plan_.routes) {
      if (route.name == name) return route;
    }
    return std::nullopt;
  }

  // Turns the loop until it holds; false if it does not for ten seconds.
  template <typename Condition>
  bool Await(Condition condition) {
    bool late = false;
    Timer deadline(
        loop_.get(), [&late] { late = true; }, Timer::Of::kService);
    deadline.ArmAfter(absl::Seconds(10));
    while (!late && !condition()) loop_->Turn(/*wait=*/true);
    return condition();
  }

  size_t Count(Kind kind) const {
    size_t count = 0;
    for (const FlowEvent& event : flows_) count += event.kind == kind ? 1 : 0;
    return count;
  }

  void OnFlow(const FlowEvent& event) override { flows_.push_back(event); }
  void OnTrouble(const absl::Status& trouble) override { troubles_.push_back(trouble); }

  SystemClock clock_;
  std::unique_ptr<Topology> net_;
  std::unique_ptr<EventLoop> loop_;
  Plan plan_;
  int asked_ = 0;  // for the whole
  std::vector<std::string> asked_for_;
  std::vector<FlowEvent> flows_;
  std::vector<absl::Status> troubles_;
  std::unique_ptr<KernelEngine> engine_;
};

TEST_F(KernelEngineTest, ChangesOfBackendsWithinAMomentAreOne) {
  plan_.routes[0].backends[0].serving = false;
  for (int i = 0; i < 10; ++i) engine_->BackendsChanged({"mail"});
  EXPECT_TRUE(asked_for_.empty());
  ASSERT_TRUE(Await([this] { return engine_->plan() == plan_; }));
  EXPECT_EQ(asked_for_, std::vector<std::string>{"mail"});
  EXPECT_EQ(asked_, 1) << "of other routes nothing is asked";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(net_->Connect("10.7.1.1", 443).backend, 1);
}

TEST_F(KernelEngineTest, WithinFiftyMillisecondsAChangeOfBackendsIsTheKernels) {
  engine_.reset();
  ManualClock clock;
  auto loop = *EventLoop::Create(&clock);
  ASSERT_NO_FATAL_FAILURE(StartEngine({}, loop.get()));
  for (const bool serving : {false, true}) {
    plan_.routes[0].backends[0].serving = serving;
    engine_->BackendsChanged({"mail"});
    // Changes that go on do not put it off.
    for (int i = 0; i < 5; ++i) {
      clock.Advance(absl::Milliseconds(10));
      loop->Turn(/*wait=*/false);
      if (i < 3) engine_->BackendsChanged({"mail"});
    }
    EXPECT_EQ(engine_->plan(), plan_);
    const int first = net_->Connect("10.7.1.1", 443).backend;
    const int second = net_->Connect("10.7.1.1", 443).backend;
    EXPECT_EQ(first + second, serving ? 1 : 2);
  }
  engine_.reset();
}

TEST_F(KernelEngineTest, NewsOfFlowsGathersUnlessLimitsGoByIt) {
  for (const bool limited : {false, true}) {
    flows_.clear();
    engine_.reset();
    plan_.routes[0].limits.connections = limited ? 10 : 0;
    constexpr absl::Duration kNever = absl::Hours(1);
    ASSERT_NO_FATAL_FAILURE(StartEngine({.gather = kNever, .look_every = kNever}));
    const Topology::Talk talk = net_->Connect("10.7.1.1", 443);
    for (int i = 0; i < 3; ++i) loop_->Turn(/*wait=*/false);
    // The second time that of the first is found, too.
    EXPECT_EQ(Count(Kind::kConnected) > 0, limited);
    engine_->CatchUp();
    EXPECT_GT(Count(Kind::kConnected), 0U);
  }
}

TEST_F(KernelEngineTest, ABackendThatLeavesAndOneThatComesAreFollowed) {
  plan_.routes[0].backends = {At(13)};
  engine_->BackendsChanged({"mail"});
  ASSERT_TRUE(Await([this] { return engine_->plan() == plan_; }));
  const Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  EXPECT_EQ(talk.backend, 2);
  EXPECT_TRUE(Await([this] { return Count(Kind::kConnected) == 1; }));
  EXPECT_EQ(engine_->flows().open_of("mail"), 1U);
}

TEST_F(KernelEngineTest, WhenItStopsTakingClientsReachTheProgramAndOpenFlowsGoOn) {
  Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  ASSERT_EQ(talk.backend, 0);
  ASSERT_TRUE(Await([this] { return Count(Kind::kConnected) == 1; }));
  engine_->StopTaking();
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).backend, Topology::kProgram);
  EXPECT_TRUE(talk.client.Send("ping"));
  EXPECT_EQ(talk.server.Receive(), "ping");
  // News of backends does not bring it back.
  engine_->BackendsChanged({"mail"});
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).backend, Topology::kProgram);

  EXPECT_EQ(engine_->End([](const Flow& flow) { return flow.route == "web"; }, Reason::kShutdown),
            0U);
  EXPECT_EQ(engine_->End([](const Flow& flow) { return flow.route == "mail"; }, Reason::kShutdown),
            1U);
  ASSERT_TRUE(Await([this] { return Count(Kind::kEnded) == 1; }));
  EXPECT_EQ(flows_.back().reasons.reason, Reason::kShutdown);
  EXPECT_EQ(engine_->flows().open(), 0U);
  talk.client.Send("late");
  EXPECT_EQ(talk.client.Receive(), "error");
}

TEST_F(KernelEngineTest, AReloadThatTakesTheRouteAwayLeavesItsFlowsKnown) {
  Topology::Talk talk = net_->Connect("10.7.1.1", 443);
  ASSERT_EQ(talk.backend, 0);
  // Not read yet, when the plan that it began by is replaced.
  EXPECT_TRUE(engine_->Prepare(Plan()).ok());
  plan_ = Plan();
  ASSERT_TRUE(engine_->Commit().ok());
  ASSERT_TRUE(Await([this] { return Count(Kind::kConnected) == 1; }));
  EXPECT_EQ(engine_->flows().open_of("mail"), 1U);
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).backend, Topology::kProgram);
  EXPECT_TRUE(talk.client.Send("ping"));
  EXPECT_EQ(talk.server.Receive(), "ping");
}

TEST_F(KernelEngineTest, WhatTheKernelRefusesIsToldOnceAndTriedAgain) {
  const Plan good = plan_;
  // A name that no object of the kernel's may have.
  plan_.table = std::string(300, 'x');
  plan_.routes[0].backends[1].serving = false;
  EXPECT_FALSE(engine_->Commit().ok());
  EXPECT_TRUE(troubles_.empty()) << "who commits is told";
  ASSERT_TRUE(Await([this] { return asked_ >= 4; }));
  ASSERT_EQ(troubles_.size(), 1U);
  EXPECT_FALSE(troubles_[0].ok());
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).backend, 0);
  plan_ = good;
  ASSERT_TRUE(Await([this] { return troubles_.size() == 2; }));
  EXPECT_TRUE(troubles_[1].ok());
}

// ---- Another process goes on: here another engine, which has the same sockets.

class KernelEngineHandOver : public KernelEngineTest {
 protected:
  KernelEngine::Inherited Sockets() {
    KernelEngine::Inherited inherited;
    inherited.table = *NetfilterSocket::Adopt(fcntl(engine_->sockets()[0], F_DUPFD_CLOEXEC, 0));
    inherited.flows.events =
        *NetfilterSocket::Adopt(fcntl(engine_->sockets()[1], F_DUPFD_CLOEXEC, 0));
    inherited.flows.flows = engine_->Known();
    return inherited;
  }
  absl::Status GoOn(KernelEngine::Inherited inherited) {
    auto engine = KernelEngine::Start(this, {}, loop_.get(), this, std::move(inherited));
    if (!engine.ok()) return engine.status();
    next_ = *std::move(engine);
    return absl::OkStatus();
  }

  std::unique_ptr<KernelEngine> next_;
};

TEST_F(KernelEngineHandOver, TheNextOneHasTheTableAndTellsOfEachFlowThatIsNotRecorded) {
  Topology::Talk over = net_->Connect("10.7.1.1", 443);
  over.client.EndWrite();
  over.server.EndWrite();
  Topology::Talk open = net_->Connect("10.7.1.1", 443);
  ASSERT_TRUE(Await([this] { return Count(Kind::kEnded) == 1 && Count(Kind::kConnected) == 2; }));
  flows_.clear();
  engine_->Pause();
  // From here on nobody reads, until the next one does.
  Topology::Talk meanwhile = net_->Connect("10.7.1.1", 443);
  ASSERT_GE(meanwhile.backend, 0);
  engine_->CatchUp();
  engine_->Refresh();
  EXPECT_TRUE(flows_.empty());
  for (Backend& before : plan_.routes[0].backends) before.serving = false;
  plan_.routes[0].backends.push_back(At(13));
  ASSERT_TRUE(GoOn(Sockets()).ok());
  engine_.reset();
  ASSERT_TRUE(Await([this] { return Count(Kind::kConnected) == 2; }));
  EXPECT_EQ(Count(Kind::kBegan), 2U);
  EXPECT_EQ(next_->flows().open_of("mail"), 2U);
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).backend, 2);
  for (Topology::Talk* talk : {&open, &meanwhile}) {
    EXPECT_TRUE(talk->client.Send("ping"));
    EXPECT_EQ(talk->server.Receive(), "ping");
  }
  next_.reset();
  EXPECT_NE(testing::RunCommand("nft list table inet tlsbridge").exit_code, 0);
}

TEST_F(KernelEngineHandOver, OneThatFailsLeavesTheTableToTheFirstWhateverItDid) {
  Topology::Talk open = net_->Connect("10.7.1.1", 443);
  ASSERT_TRUE(Await([this] { return Count(Kind::kConnected) == 1; }));
  engine_->Pause();
  engine_->BackendsChanged({"mail"});
  EXPECT_FALSE(engine_->EndOne(flows_[0].flow.id, Reason::kMaxLifetime));
  const Plan good = plan_;
  plan_.routes[0].backends = {At(13)};
  ASSERT_TRUE(GoOn(Sockets()).ok());
  next_.reset();
  plan_ = good;
  plan_.routes[0].backends = {At(12)};  // news that came meanwhile
  engine_->Resume();
  EXPECT_EQ(engine_->rewrites(), 1U);
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).backend, 1);
  EXPECT_TRUE(open.client.Send("ping"));
  EXPECT_EQ(open.server.Receive(), "ping");
  flows_.clear();
  open.client.EndWrite();
  open.server.EndWrite();
  EXPECT_TRUE(Await([this] { return Count(Kind::kEnded) > 0; }));
}

TEST_F(KernelEngineHandOver, OneWhoseRulesTheKernelRefusesChangesNothing) {
  engine_->Pause();
  const Plan good = plan_;
  plan_.table = std::string(300, 'x');
  EXPECT_FALSE(GoOn(Sockets()).ok());
  plan_ = good;
  EXPECT_GE(net_->Connect("10.7.1.1", 443).backend, 0);
  engine_->Resume();
  EXPECT_GE(net_->Connect("10.7.1.1", 443).backend, 0);
}

TEST_F(KernelEngineHandOver, WhatIsNoSocketToNetfilterIsNotTakenOver) {
  EXPECT_FALSE(NetfilterSocket::Adopt(open("/dev/null", O_RDONLY | O_CLOEXEC)).ok());
  EXPECT_FALSE(NetfilterSocket::Adopt(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)).ok());
}

TEST_F(KernelEngineTest, ItsEndRemovesTheTable) {
  EXPECT_EQ(testing::RunCommand("nft list table inet tlsbridge").exit_code, 0);
  engine_.reset();
  EXPECT_NE(testing::RunCommand("nft list table inet tlsbridge").exit_code, 0);
  EXPECT_EQ(net_->Connect("10.7.1.1", 443).backend, Topology::kProgram);
}

}  // namespace
}  // namespace tlsbridge::kernel
