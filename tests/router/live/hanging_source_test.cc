// A source that hangs: nobody waits for it for ever, and it does no harm when it comes back.

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bridge/event/thread.h"
#include "gtest/gtest.h"
#include "router/live/reloader.h"
#include "tests/support/log_capture.h"

namespace tlsbridge::testing {
namespace {

// What the source's thread and the test share: it may outlive the fixture.
struct Mount {
  std::promise<void> reached;
  std::promise<void> comes_back;
  std::promise<void> let_go;  // nothing of the source is left
};

class HangingSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Config config;
    config.routes.emplace_back();
    config.routes[0].name = "served";
    config.routes[0].action = RouteAction::kBlock;
    served_ = *LiveConfig::Assemble(std::move(config), {RouteTls()}, nullptr, absl::UnixEpoch());
    auto held = std::shared_ptr<Mount>(mount_.get(),
                                       [mount = mount_](Mount*) { mount->let_go.set_value(); });
    auto reloader = Reloader::Create(
        loop_.get(),
        [held = std::move(held), served = served_](const LiveConfig*,
                                                   const Clock*) -> Reloader::Result {
          held->reached.set_value();
          held->comes_back.get_future().wait();
          return served;
        },
        {"/mnt/dead/tlsbridge.yaml"}, 0,
        [this](const Reloader::Outcome&) {
          ++results_;
          return served_;
        });
    ASSERT_TRUE(reloader.ok()) << reloader.status();
    reloader_ = *std::move(reloader);
  }
  void Hang() {
    reloader_->Start(served_, Reloader::Cause::kAsked);
    mount_->reached.get_future().wait();
  }

  // Returns once nothing of the source is left, nor of its thread.
  void ComeBack() {
    reloader_.reset();
    mount_->comes_back.set_value();
    mount_->let_go.get_future().wait();
  }

  LogCapture log_;
  // As in the program, it outlives the thread.
  static inline ManualClock* const clock_ = new ManualClock;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(clock_);
  const std::shared_ptr<Mount> mount_ = std::make_shared<Mount>();
  std::shared_ptr<const LiveConfig> served_;
  std::unique_ptr<Reloader> reloader_;
  int results_ = 0;
};

TEST_F(HangingSourceTest, IsToldOfByNameAndLeftBehind) {
  Hang();
  reloader_->Stop(absl::ZeroDuration());
  const auto lines = log_.Events("reload_abandoned");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["source"], "/mnt/dead/tlsbridge.yaml");
  EXPECT_TRUE(Thread::AnyLeft());
  ComeBack();
}

TEST_F(HangingSourceTest, ThatComesBackWhenAllIsGoneFindsWhatItUses) {
  Hang();
  reloader_->Stop(absl::ZeroDuration());
  reloader_.reset();
  served_.reset();
  loop_.reset();
  ComeBack();
  EXPECT_EQ(results_, 0);
}

TEST_F(HangingSourceTest, WhatItMakesTooLateIsNotServed) {
  Hang();
  reloader_->Stop(absl::ZeroDuration());
  ComeBack();
  loop_->Turn(/*wait=*/false);
  EXPECT_EQ(results_, 0);
}

TEST_F(HangingSourceTest, IsToldOfToWhoAsksForAReloadMeanwhile) {
  Hang();
  reloader_->Start(served_, Reloader::Cause::kAsked);
  clock_->Advance(Reloader::kLong);
  loop_->Turn(/*wait=*/false);
  reloader_->Start(served_, Reloader::Cause::kFilesMayHaveChanged);
  EXPECT_TRUE(log_.Events("reload_waits").empty()) << "too early, or nobody has asked";
  reloader_->Start(served_, Reloader::Cause::kAsked);
  const auto lines = log_.Events("reload_waits");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["source"], "/mnt/dead/tlsbridge.yaml");
  reloader_->Stop(absl::ZeroDuration());
  ComeBack();
}

TEST_F(HangingSourceTest, OneThatIsOnlySlowIsWaitedFor) {
  Hang();
  mount_->comes_back.set_value();
  reloader_->Stop(absl::Minutes(1));
  EXPECT_TRUE(log_.Events("reload_abandoned").empty());
}

}  // namespace
}  // namespace tlsbridge::testing
