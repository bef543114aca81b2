#include "router/live/reloader.h"

#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

std::shared_ptr<const LiveConfig> Made(const std::string& name) {
  Config config;
  config.routes.emplace_back();
  config.routes[0].name = name;
  config.routes[0].action = RouteAction::kBlock;
  auto live = LiveConfig::Assemble(std::move(config), {RouteTls()}, nullptr, absl::UnixEpoch());
  EXPECT_TRUE(live.ok()) << live.status();
  return *live;
}

class ReloaderTest : public testing::Test {
 protected:
  void SetUp() override {
    auto loop = EventLoop::Create(&clock_);
    ASSERT_TRUE(loop.ok());
    loop_ = *std::move(loop);
    served_ = Made("first");
    auto reloader = Reloader::Create(
        loop_.get(),
        [this](const LiveConfig* previous, const Clock*) -> Reloader::Result {
          calls_.push_back(previous->config().routes[0].name);
          if (calls_.size() == 1) called_.set_value();
          if (during_call_) during_call_();
          if (calls_.size() == 1) may_go_on_.get_future().wait();
          if (fails_) return absl::InvalidArgumentError("broken");
          return Made("made by call " + std::to_string(calls_.size()));
        },
        files_, FingerprintOf(files_),
        [this](const Reloader::Outcome& outcome) {
          const Reloader::Result& result = outcome.live;
          results_.push_back(result.ok() ? "ok" : std::string(result.status().message()));
          if (result.ok() && !refuses_) served_ = *result;
          return served_;
        });
    ASSERT_TRUE(reloader.ok()) << reloader.status();
    reloader_ = *std::move(reloader);
  }
  void WaitForResults(size_t count) {
    while (results_.size() < count) loop_->Turn(/*wait=*/true);
  }

  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_;
  std::shared_ptr<const LiveConfig> served_;
  const std::vector<std::string> files_ = {testing::TempDir() + "/source.yaml"};
  std::promise<void> called_;
  std::promise<void> may_go_on_;
  std::function<void()> during_call_;
  bool refuses_ = false;  // the receiver
  bool fails_ = false;
  std::vector<std::string> calls_;  // the route of each call's previous configuration
  std::vector<std::string> results_;
  std::unique_ptr<Reloader> reloader_;
};

TEST_F(ReloaderTest, ManyStartsWhileItWorksAreOneMore) {
  for (int i = 0; i < 5; ++i) reloader_->Start(served_, Reloader::Cause::kAsked);
  may_go_on_.set_value();
  WaitForResults(2);
  loop_->Turn(/*wait=*/false);
  reloader_.reset();
  EXPECT_EQ(calls_, (std::vector<std::string>{"first", "made by call 1"}));
}

TEST_F(ReloaderTest, AFailureKeepsWhatIsServed) {
  fails_ = true;
  may_go_on_.set_value();
  reloader_->Start(served_, Reloader::Cause::kAsked);
  WaitForResults(1);
  EXPECT_EQ(results_[0], "broken");
  reloader_->Start(served_, Reloader::Cause::kAsked);
  WaitForResults(2);
  reloader_.reset();
  EXPECT_EQ(calls_, (std::vector<std::string>{"first", "first"}));
}

TEST_F(ReloaderTest, EndsInPeaceWhileTheSourceIsAtWork) {
  reloader_->Start(served_, Reloader::Cause::kAsked);
  called_.get_future().wait();
  may_go_on_.set_value();
  reloader_.reset();
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_F(ReloaderTest, AsksTheSourceWhereItsFilesHaveChangedAndNotElse) {
  may_go_on_.set_value();
  reloader_->Start(served_, Reloader::Cause::kFilesMayHaveChanged);
  WaitForResults(1);
  EXPECT_EQ(calls_.size(), 0u);
  std::ofstream(files_[0]) << "changed";
  reloader_->Start(served_, Reloader::Cause::kFilesMayHaveChanged);
  WaitForResults(2);
  EXPECT_EQ(calls_.size(), 1u);
  reloader_->Start(served_, Reloader::Cause::kFilesMayHaveChanged);
  WaitForResults(3);
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_F(ReloaderTest, WhatWasRefusedIsTriedAgainThoughNoFileOfTheSourceHasChanged) {
  may_go_on_.set_value();
  fails_ = true;
  reloader_->Start(served_, Reloader::Cause::kAsked);
  WaitForResults(1);
  fails_ = false;
  refuses_ = true;  // it can be made, but not be served
  reloader_->Start(served_, Reloader::Cause::kFilesMayHaveChanged);
  WaitForResults(2);
  EXPECT_EQ(served_->config().routes[0].name, "first");
  refuses_ = false;
  reloader_->Start(served_, Reloader::Cause::kFilesMayHaveChanged);
  WaitForResults(3);
  EXPECT_EQ(served_->config().routes[0].name, "made by call 3");
  reloader_->Start(served_, Reloader::Cause::kFilesMayHaveChanged);
  WaitForResults(4);
  EXPECT_EQ(calls_.size(), 3u) << "it was taken";
}

TEST_F(ReloaderTest, AFileThatChangesWhileItIsReadIsReadAgain) {
  may_go_on_.set_value();
  during_call_ = [this] {
    if (calls_.size() < 3) std::ofstream(files_[0]) << std::string(calls_.size(), 'x');
  };
  reloader_->Start(served_, Reloader::Cause::kAsked);
  WaitForResults(1);
  EXPECT_EQ(served_->config().routes[0].name, "made by call 3");
  during_call_ = [this] { std::ofstream(files_[0]) << std::string(calls_.size(), 'x'); };
  reloader_->Start(served_, Reloader::Cause::kAsked);
  WaitForResults(2);
  EXPECT_NE(results_[1].find("source.yaml: kept changing"), std::string::npos);
  EXPECT_LT(calls_.size(), 15u);
}

TEST(DescribeChanges, NamesWhatCameWentAndChanged) {
  Config before;
  for (const char* name : {"stays", "goes", "changes"}) {
    before.routes.emplace_back();
    before.routes.back().name = name;
  }
  Config after = before;
  EXPECT_EQ(DescribeChanges(before, after), "");
  after.routes[1].name = "comes";
  after.routes[2].limits.connections = 7;
  after.limits.connections = 9;
  EXPECT_EQ(DescribeChanges(before, after), "~changes(limits) +comes -goes ~limits");
}

TEST(DescribeChanges, NamesTheKeysOfARouteThatDiffer) {
  Config before;
  before.routes.emplace_back();
  before.routes[0].name = "orders";
  Config after = before;
  Route& route = after.routes[0];
  route.match.ports = {{8443, 8443}};
  route.tls_mode = TlsMode::kPassthrough;
  route.backends.emplace_back();
  route.timeouts.connect = absl::Seconds(1);
  route.bridge.grace = absl::Seconds(2);
  EXPECT_EQ(DescribeChanges(before, after), "~orders(match,tls,backends,timeouts,close_grace)");
}

TEST(DescribeChanges, NamesWhatIsOfNoRoute) {
  const Config before;
  Config after;
  after.listeners.push_back({.address = *SocketAddress::Parse("127.0.0.1:8443")});
  after.shutdown.drain_timeout = absl::Seconds(1);
  after.admin = SocketAddress::Parse("127.0.0.1:9000").value();
  after.workers = 3;
  after.log.format = LogFormat::kJson;
  EXPECT_EQ(DescribeChanges(before, after), "+127.0.0.1:8443 ~shutdown ~admin ~workers ~log");
}

}  // namespace
}  // namespace tlsbridge
