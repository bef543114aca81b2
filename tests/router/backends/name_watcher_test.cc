#include "router/backends/name_watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "bridge/event/clock.h"
#include "tests/router/backends/routes.h"
#include "tests/support/log_capture.h"

namespace tlsbridge {
namespace {

using testing::Address;
using testing::BackendNamed;
using ::testing::ElementsAre;
using testing::LogCapture;

// Answers when the test says so.
class FakeDns final : public DnsClient {
 public:
  class Query final : public DnsQuery {
   public:
    explicit Query(int* open) : open_(open) { ++*open_; }
    ~Query() override { --*open_; }

   private:
    int* const open_;
  };

  std::unique_ptr<DnsQuery> LookUpAddresses(const std::string& host, uint16_t port,
                                            OnAddresses done) override {
    asked_.push_back(absl::StrCat(host, ":", port));
    addresses_.push_back(std::move(done));
    return std::make_unique<Query>(&open_);
  }
  std::unique_ptr<DnsQuery> LookUpServices(const std::string& name, OnServices done) override {
    asked_.push_back(name);
    services_ = std::move(done);
    return std::make_unique<Query>(&open_);
  }

  // The questions since the last call.
  std::vector<std::string> TakeAsked() { return std::exchange(asked_, {}); }

  // Answers the oldest open question.
  void Answer(const std::vector<std::string>& addresses, absl::Duration ttl) {
    AddressAnswer answer;
    answer.ttl = ttl;
    for (const std::string& text : addresses) answer.addresses.push_back(Address(text));
    Reply(std::move(answer));
  }
  void Fail() { Reply(absl::UnavailableError("the server is on fire")); }
  void SayItDoesNotExist() { Reply(absl::NotFoundError("the name does not exist")); }
  void AnswerServices(absl::StatusOr<SrvAnswer> answer) { std::move(services_)(std::move(answer)); }

  int open() const { return open_; }

 private:
  void Reply(absl::StatusOr<AddressAnswer> answer) {
    ASSERT_FALSE(addresses_.empty());
    OnAddresses done = std::move(addresses_.front());
    addresses_.erase(addresses_.begin());
    std::move(done)(std::move(answer));
  }

  std::vector<std::string> asked_;
  std::vector<OnAddresses> addresses_;
  OnServices services_;
  int open_ = 0;
};

class NameWatcherTest : public ::testing::Test {
 protected:
  void Watch(const BackendAddress& address, uint64_t seed = 1) {
    watcher_ = std::make_unique<NameWatcher>(
        loop_.get(), &dns_, address, settings_, seed,
        [this](const std::vector<ResolvedEndpoint>& endpoints) { Note(endpoints); });
  }

  void WatchOrders() { Watch(BackendNamed("orders.internal", 80).address); }

  void WatchService() {
    BackendAddress address;
    address.kind = BackendAddress::Kind::kSrv;
    address.name = "_http._tcp.orders";
    Watch(address);
  }

  void Note(const std::vector<ResolvedEndpoint>& endpoints) {
    ++changes_;
    names_.clear();
    for (const auto& endpoint : endpoints) names_.push_back(endpoint.addresses[0].ToString());
  }

  void Advance(absl::Duration by) {
    clock_.Advance(by);
    loop_->Turn(/*wait=*/false);
  }

  // How long until it asks again.
  absl::Duration UntilAsked() {
    dns_.TakeAsked();
    constexpr absl::Duration kStep = absl::Milliseconds(10);
    for (absl::Duration waited; waited < absl::Hours(1); waited += kStep) {
      if (!dns_.TakeAsked().empty()) return waited;
      Advance(kStep);
    }
    ADD_FAILURE() << "never asks again";
    return absl::InfiniteDuration();
  }

  LogCapture log_;
  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  DnsSettings settings_;
  FakeDns dns_;
  std::unique_ptr<NameWatcher> watcher_;
  int changes_ = 0;
  std::vector<std::string> names_;
};

TEST_F(NameWatcherTest, AsksAtOnceAndTellsWhatItMeans) {
  WatchOrders();
  EXPECT_THAT(dns_.TakeAsked(), ElementsAre("orders.internal:80"));
  dns_.Answer({"10.0.0.1:80", "10.0.0.2:80"}, absl::Seconds(30));
  EXPECT_THAT(names_, ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
}

TEST_F(NameWatcherTest, AsksAgainBeforeTheAnswerExpires) {
  WatchOrders();
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(30));
  const absl::Duration waited = UntilAsked();
  EXPECT_GE(waited, absl::Seconds(24));
  EXPECT_LE(waited, absl::Seconds(27.1));
}

TEST_F(NameWatcherTest, HonoursFloorAndCeilingOfTheTtl) {
  settings_.ttl_floor = absl::Seconds(5);
  settings_.ttl_ceiling = absl::Seconds(60);
  WatchOrders();
  dns_.Answer({"10.0.0.1:80"}, absl::ZeroDuration());
  EXPECT_GE(UntilAsked(), absl::Seconds(5));
  dns_.Answer({"10.0.0.1:80"}, absl::Hours(24));
  EXPECT_LE(UntilAsked(), absl::Seconds(60));
}

TEST_F(NameWatcherTest, ProcessesAskApart) {
  std::set<absl::Duration> waits;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    FakeDns dns;
    NameWatcher watcher(loop_.get(), &dns, BackendNamed("orders.internal", 80).address, settings_,
                        seed, [](const auto&) {});
    dns.Answer({"10.0.0.1:80"}, absl::Seconds(300));
    dns.TakeAsked();
    absl::Duration waited;
    for (; dns.TakeAsked().empty(); waited += absl::Seconds(1)) Advance(absl::Seconds(1));
    waits.insert(waited);
  }
  EXPECT_GE(waits.size(), 4u);
}

TEST_F(NameWatcherTest, TellsOnlyOfChanges) {
  WatchOrders();
  dns_.Answer({"10.0.0.1:80", "10.0.0.2:80"}, absl::Seconds(30));
  UntilAsked();
  dns_.Answer({"10.0.0.2:80", "10.0.0.1:80"}, absl::Seconds(30));
  EXPECT_EQ(changes_, 1);
  UntilAsked();
  dns_.Answer({"10.0.0.2:80", "10.0.0.3:80"}, absl::Seconds(30));
  EXPECT_EQ(changes_, 2);
  EXPECT_THAT(names_, ElementsAre("10.0.0.2:80", "10.0.0.3:80"));
}

TEST_F(NameWatcherTest, KeepsTheLastGoodAnswerWhileDnsFailsAndSaysSoOnce) {
  WatchOrders();
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(30));
  for (int i = 0; i < 5; ++i) {
    UntilAsked();
    dns_.Fail();
  }
  EXPECT_EQ(changes_, 1);
  EXPECT_EQ(log_.Events("dns_failed").size(), 1u);
  EXPECT_EQ(log_.Events("dns_failed")[0]["endpoints_kept"], 1);
  UntilAsked();
  dns_.Answer({"10.0.0.9:80"}, absl::Seconds(30));
  EXPECT_THAT(names_, ElementsAre("10.0.0.9:80"));
  EXPECT_EQ(log_.Events("dns_restored").size(), 1u);
  UntilAsked();
  dns_.Fail();
  EXPECT_EQ(log_.Events("dns_failed").size(), 2u);
}

TEST_F(NameWatcherTest, RetriesSoonThenLessAndLessOften) {
  WatchOrders();
  absl::Duration last;
  for (int i = 0; i < 5; ++i) {
    dns_.Fail();
    const absl::Duration waited = UntilAsked();
    EXPECT_GT(waited, last);
    last = waited;
    if (i == 0) {
      EXPECT_LE(waited, absl::Seconds(1));
    }
  }
  for (int i = 0; i < 5; ++i) {
    dns_.Fail();
    EXPECT_LE(UntilAsked(), NameWatcher::kRetryLongest);
  }
  EXPECT_EQ(changes_, 0) << "a name that never resolved has no endpoints";
}

TEST_F(NameWatcherTest, ResolvesTheTargetsOfAService) {
  WatchService();
  EXPECT_THAT(dns_.TakeAsked(), ElementsAre("_http._tcp.orders"));
  dns_.AnswerServices(SrvAnswer{{{2, 1, 81, "b"}, {1, 1, 80, "a"}}, absl::Seconds(300)});
  EXPECT_THAT(dns_.TakeAsked(), ElementsAre("a.:80", "b.:81"));
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(300));
  EXPECT_EQ(changes_, 0);
  dns_.Answer({"10.0.0.2:81"}, absl::Seconds(20));
  EXPECT_THAT(names_, ElementsAre("10.0.0.1:80", "10.0.0.2:81"));
  EXPECT_LE(UntilAsked(), absl::Seconds(18.1)) << "the shortest TTL counts";
  EXPECT_EQ(dns_.open(), 1);
}

TEST_F(NameWatcherTest, ATargetThatFailsKeepsItsAddressesAndIsAskedSoon) {
  WatchService();
  const SrvAnswer services{{{1, 1, 80, "a"}, {1, 1, 80, "b"}}, absl::Seconds(300)};
  dns_.AnswerServices(services);
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(300));
  dns_.Fail();
  EXPECT_THAT(names_, ElementsAre("10.0.0.1:80")) << "what resolves is used";
  EXPECT_LE(UntilAsked(), absl::Seconds(1));
  dns_.AnswerServices(services);
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(300));
  dns_.Answer({"10.0.0.2:80"}, absl::Seconds(300));
  EXPECT_THAT(names_, ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
  UntilAsked();
  dns_.AnswerServices(services);
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(300));
  dns_.Fail();
  EXPECT_THAT(names_, ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
}

TEST_F(NameWatcherTest, AServiceThatIsSaidNotToBeHasNoEndpoints) {
  WatchService();
  dns_.AnswerServices(SrvAnswer{{{1, 1, 80, "a"}}, absl::Seconds(30)});
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(30));
  UntilAsked();
  dns_.AnswerServices(SrvAnswer{{}, absl::Seconds(30)});
  EXPECT_EQ(changes_, 2);
  EXPECT_TRUE(names_.empty());
}

TEST_F(NameWatcherTest, ANameThatIsGoneLosesItsAddressesAfterAWhile) {
  settings_.forget_after = absl::Seconds(20);
  WatchOrders();
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(30));
  UntilAsked();
  const absl::Time gone = clock_.Monotonic();
  while (clock_.Monotonic() < gone + absl::Seconds(19)) {
    dns_.SayItDoesNotExist();
    EXPECT_THAT(names_, ElementsAre("10.0.0.1:80"));
    UntilAsked();
  }
  while (clock_.Monotonic() < gone + absl::Seconds(21)) {
    dns_.SayItDoesNotExist();
    UntilAsked();
  }
  dns_.SayItDoesNotExist();
  EXPECT_TRUE(names_.empty());
  EXPECT_EQ(log_.Events("backends_gone").size(), 1u);
  UntilAsked();
  dns_.Answer({"10.0.0.2:80"}, absl::Seconds(30));
  EXPECT_THAT(names_, ElementsAre("10.0.0.2:80"));
}

TEST_F(NameWatcherTest, WhatDoesNotAnswerKeepsItsAddressesForEver) {
  settings_.forget_after = absl::Seconds(20);
  WatchOrders();
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(30));
  for (int i = 0; i < 40; ++i) {
    UntilAsked();
    dns_.Fail();
  }
  EXPECT_THAT(names_, ElementsAre("10.0.0.1:80"));
}

TEST_F(NameWatcherTest, ATargetThatIsGoneLosesItsAddressesToo) {
  settings_.forget_after = absl::Seconds(5);
  WatchService();
  const SrvAnswer services{{{1, 1, 80, "a"}, {1, 1, 80, "b"}}, absl::Seconds(30)};
  dns_.AnswerServices(services);
  dns_.Answer({"10.0.0.1:80"}, absl::Seconds(30));
  dns_.Answer({"10.0.0.2:80"}, absl::Seconds(30));
  for (int i = 0; i < 8; ++i) {
    UntilAsked();
    dns_.AnswerServices(services);
    dns_.Answer({"10.0.0.1:80"}, absl::Seconds(30));
    dns_.SayItDoesNotExist();
  }
  EXPECT_THAT(names_, ElementsAre("10.0.0.1:80"));
}

TEST_F(NameWatcherTest, BoundsTheTargetsOfAService) {
  WatchService();
  dns_.TakeAsked();
  SrvAnswer many;
  for (int i = 0; i < 1000; ++i) many.records.push_back({1, 1, 80, absl::StrCat("t", i)});
  dns_.AnswerServices(many);
  EXPECT_EQ(dns_.TakeAsked().size(), NameWatcher::kMaxTargets);
  EXPECT_EQ(log_.Events("dns_targets_left_out").size(), 1u);
}

TEST_F(NameWatcherTest, CancelsItsQuestionWhenItDies) {
  WatchService();
  EXPECT_EQ(dns_.open(), 1);
  watcher_.reset();
  EXPECT_EQ(dns_.open(), 0);
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
}

}  // namespace
}  // namespace tlsbridge
