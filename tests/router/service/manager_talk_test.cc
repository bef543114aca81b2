// What the service manager hears, by a clock that the test turns.

#include "router/service/manager_talk.h"

#include <stdlib.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/router/host/listening_manager.h"

namespace tlsbridge {
namespace {

class ManagerTalkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("NOTIFY_SOCKET", ear_.name().c_str(), 1);
    unsetenv("WATCHDOG_USEC");
    loop_ = *EventLoop::Create(&clock_);
  }
  void Talk() {
    manager_ = ServiceManager::FromEnvironment();
    talk_ = std::make_unique<ManagerTalk>(loop_.get(), &manager_, std::vector<EventLoop*>{},
                                          [this] { return status_; });
    talk_->OnPhase(Phase::kServing);
    talk_->Ready();
  }
  void Pass(absl::Duration time) {
    clock_.Advance(time);
    loop_->Turn(/*wait=*/false);
  }

  testing::ListeningManager ear_;
  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_;
  ServiceManager manager_;
  std::string status_ = "ready. 0 connections, 1 route";
  std::unique_ptr<ManagerTalk> talk_;
};

TEST_F(ManagerTalkTest, ReadyComesOnceWithTheFirstStatus) {
  Talk();
  EXPECT_EQ(ear_.Next(), "READY=1\nSTATUS=ready. 0 connections, 1 route");
  EXPECT_EQ(ear_.Next(), "");
}

TEST_F(ManagerTalkTest, TheStatusIsToldWhenItHasChangedAndNotMoreOftenThanItsPace) {
  Talk();
  ear_.Next();
  for (int i = 0; i < 10; ++i) Pass(ManagerTalk::kPace);
  EXPECT_EQ(ear_.Next(), "");
  for (int i = 0; i < 10; ++i) {
    status_ = absl::StrCat("ready. ", i, " connections, 1 route");
    Pass(ManagerTalk::kPace / 10);
  }
  EXPECT_NE(ear_.Next(), "");
  EXPECT_EQ(ear_.Next(), "");
}

TEST_F(ManagerTalkTest, AReloadBeginsAndEnds) {
  Talk();
  ear_.Next();
  talk_->OnReload(Reloads::Asked::kBegins);
  EXPECT_EQ(ear_.Next(),
            absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", absl::ToUnixMicros(clock_.Monotonic()),
                         "\nSTATUS=reloading the configuration and all files"));
  talk_->OnReload(Reloads::Asked::kIsOver);
  EXPECT_EQ(ear_.Next(), "READY=1\nSTATUS=ready. 0 connections, 1 route");
}

TEST_F(ManagerTalkTest, WhileItDrainsItAsksForMoreTimeUntilItHasStopped) {
  Talk();
  ear_.Next();
  status_ = "draining";
  talk_->OnPhase(Phase::kLeaving);
  EXPECT_EQ(ear_.Next(), "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=15000000");
  Pass(ManagerTalk::kPace);
  EXPECT_EQ(ear_.Next(), "EXTEND_TIMEOUT_USEC=15000000");
  talk_->OnReload(Reloads::Asked::kIsOver);  // one that was under way
  EXPECT_EQ(ear_.Next(), "");
  talk_->OnPhase(Phase::kStopped);
  EXPECT_EQ(ear_.Next(), "STATUS=draining");
}

TEST_F(ManagerTalkTest, TheWatchdogIsFed) {
  setenv("WATCHDOG_USEC", "20000000", 1);
  Talk();
  ear_.Next();
  EXPECT_EQ(ear_.Next(), "WATCHDOG=1");
  Pass(absl::Seconds(5));
  EXPECT_EQ(ear_.Next(), "WATCHDOG=1");
}

TEST_F(ManagerTalkTest, OnceAnotherProcessIsTheServiceNothingMoreIsSaid) {
  setenv("WATCHDOG_USEC", "20000000", 1);
  Talk();
  while (!ear_.Next().empty()) continue;
  talk_->HandOver(4711);
  EXPECT_EQ(ear_.Next(), "MAINPID=4711");
  talk_->OnPhase(Phase::kLeaving);
  status_ = "draining";
  for (int i = 0; i < 5; ++i) Pass(absl::Seconds(5));
  EXPECT_EQ(ear_.Next(), "");
}

TEST_F(ManagerTalkTest, WithoutAManagerNothingTurns) {
  unsetenv("NOTIFY_SOCKET");
  Talk();
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
}

}  // namespace
}  // namespace tlsbridge
