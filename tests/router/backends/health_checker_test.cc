#include "router/backends/health_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/event/clock.h"
#include "bridge/event/fd_event.h"
#include "tests/router/backends/routes.h"
#include "tests/support/log_capture.h"

namespace tlsbridge {
namespace {

using testing::Address;
using testing::BackendAt;
using testing::LogCapture;

// A backend that says one thing to everybody, once something has been received.
class FakeBackend {
 public:
  FakeBackend(EventLoop* loop, std::string answer)
      : loop_(loop), answer_(std::move(answer)), address_(Address("127.0.0.1:0")) {
    Open();
  }
  ~FakeBackend() { Close(); }

  void Open() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ASSERT_EQ(bind(listener_, address_.get(), address_.length()), 0);
    ASSERT_EQ(listen(listener_, 64), 0);
    address_ = SocketAddress::LocalOf(listener_);
    events_.push_back(std::make_unique<FdEvent>(loop_, listener_, [this] { OnAccept(); }));
    EXPECT_EQ(events_.back()->Enable(), 0);
  }

  void Close() {
    events_.clear();
    for (const int fd : connections_) close(fd);
    connections_.clear();
    if (listener_ >= 0) close(std::exchange(listener_, -1));
  }

  std::string name() const { return address_.ToString(); }
  int accepted() const { return accepted_; }
  const std::string& received() const { return received_; }
  void set_answer(std::string answer) { answer_ = std::move(answer); }

 private:
  void OnAccept() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    ++accepted_;
    connections_.push_back(fd);
    events_.push_back(std::make_unique<FdEvent>(loop_, fd, [this, fd, at = events_.size()] {
      char buffer[1024];
      const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
      if (n <= 0) return events_[at]->Disable();
      received_.append(buffer, n);
      // In two pieces.
      for (const std::string& part :
           {answer_.substr(0, 1), answer_.substr(std::min<size_t>(1, answer_.size()))}) {
        send(fd, part.data(), part.size(), MSG_NOSIGNAL);
      }
    }));
    EXPECT_EQ(events_.back()->Enable(), 0);
  }

  EventLoop* const loop_;  // Not owned.
  std::string answer_;
  SocketAddress address_;
  int listener_ = -1;
  int accepted_ = 0;
  std::string received_;
  std::vector<int> connections_;
  std::vector<std::unique_ptr<FdEvent>> events_;
};

TEST(HealthVote, NeedsSeveralResultsInARow) {
  const HealthCheck settings = {.healthy_after = 2, .unhealthy_after = 3};
  HealthVote vote;
  EXPECT_TRUE(vote.Evaluate(settings, false, true));
  EXPECT_TRUE(vote.Evaluate(settings, false, true));
  EXPECT_TRUE(vote.Evaluate(settings, true, true)) << "begins anew";
  EXPECT_TRUE(vote.Evaluate(settings, false, true));
  EXPECT_TRUE(vote.Evaluate(settings, false, true));
  EXPECT_FALSE(vote.Evaluate(settings, false, true));
  EXPECT_FALSE(vote.Evaluate(settings, true, false));
  EXPECT_FALSE(vote.Evaluate(settings, false, false));
  EXPECT_FALSE(vote.Evaluate(settings, true, false));
  EXPECT_TRUE(vote.Evaluate(settings, true, false));
}

class HealthCheckerTest : public ::testing::Test {
 protected:
  HealthCheckerTest() {
    route_.name = "orders";
    route_.health.kind = HealthCheck::Kind::kTcp;
    route_.health.interval = absl::Seconds(5);
  }
  ~HealthCheckerTest() override {
    checker_.reset();
    EXPECT_EQ(live_.sockets, 0);
    EXPECT_EQ(loop_->service_timers().armed(), 0u);
    EXPECT_EQ(loop_->connection_timers().armed(), 0u);
  }

  void Start() {
    pool_ = testing::MakePool(route_, loop_->now());
    checker_ = std::make_unique<HealthChecker>(loop_.get(), &live_, route_, pool_, nullptr, 1);
  }

  void Settle() {
    for (int i = 0; i < 20; ++i) loop_->Turn(/*wait=*/false);
  }

  void Advance(absl::Duration by) {
    constexpr absl::Duration kStep = absl::Milliseconds(500);
    for (absl::Duration passed; passed < by; passed += kStep) {
      clock_.Advance(kStep);
      Settle();
    }
  }

  bool Healthy(const std::string& name) {
    for (const EndpointStatus& status : pool_->Endpoints(loop_->now())) {
      if (status.name == name) return status.healthy;
    }
    ADD_FAILURE() << name << " is no endpoint";
    return false;
  }

  LogCapture log_;
  ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  LiveCounters live_;
  Route route_;
  std::shared_ptr<BackendPool> pool_;
  std::unique_ptr<HealthChecker> checker_;
};

TEST_F(HealthCheckerTest, FollowsABackendThatGoesAndComesBack) {
  FakeBackend backend(loop_.get(), "");
  route_.backends = {BackendAt(backend.name())};
  Start();
  Advance(absl::Seconds(20));
  EXPECT_GE(backend.accepted(), 3);
  EXPECT_TRUE(Healthy(backend.name()));

  backend.Close();
  Advance(absl::Seconds(7.5));
  EXPECT_TRUE(Healthy(backend.name())) << "two failures at most";
  Advance(absl::Seconds(11.5));
  EXPECT_FALSE(Healthy(backend.name()));
  Advance(absl::Seconds(60));

  backend.Open();
  Advance(absl::Seconds(3.5));
  EXPECT_FALSE(Healthy(backend.name())) << "one success at most";
  Advance(absl::Seconds(9.5));
  EXPECT_TRUE(Healthy(backend.name()));

  const auto unhealthy = log_.Events("backend_unhealthy");
  ASSERT_EQ(unhealthy.size(), 1u);
  EXPECT_EQ(unhealthy[0]["backend"], backend.name());
  EXPECT_EQ(unhealthy[0]["route"], "orders");
  EXPECT_EQ(log_.Events("backend_healthy").size(), 1u);
}

TEST_F(HealthCheckerTest, ComparesTheAnswer) {
  FakeBackend good(loop_.get(), "+PONG\r\n");
  FakeBackend bad(loop_.get(), "-LOADING\r\n");
  FakeBackend half(loop_.get(), "+P");
  route_.backends = {BackendAt(good.name()), BackendAt(bad.name()), BackendAt(half.name())};
  route_.health.kind = HealthCheck::Kind::kSendExpect;
  route_.health.send = "PING\r\n";
  route_.health.expect = "+PONG";
  Start();
  Advance(absl::Seconds(30));
  EXPECT_TRUE(Healthy(good.name()));
  EXPECT_EQ(good.received().substr(0, 12), "PING\r\nPING\r\n");
  EXPECT_FALSE(Healthy(bad.name()));
  EXPECT_FALSE(Healthy(half.name())) << "silence is a failure after the timeout";
  bad.set_answer("+PONG\r\n");
  Advance(absl::Seconds(15));
  EXPECT_TRUE(Healthy(bad.name()));
}

TEST_F(HealthCheckerTest, SendsTheHeaderThatTrafficSends) {
  FakeBackend backend(loop_.get(), "+PONG\r\n");
  route_.backends = {BackendAt(backend.name())};
  route_.send_proxy = ProxyProtocol::kV1;
  Start();
  Advance(absl::Seconds(6));
  EXPECT_EQ(backend.received(), "PROXY UNKNOWN\r\n");
  EXPECT_TRUE(checker_->ChecksBy(route_, nullptr));
  route_.send_proxy = ProxyProtocol::kV2;
  EXPECT_FALSE(checker_->ChecksBy(route_, nullptr)) << "a reload may change it";
}

TEST_F(HealthCheckerTest, HasOneCheckAtATimeInFlight) {
  FakeBackend silent(loop_.get(), "");
  route_.backends = {BackendAt(silent.name())};
  route_.health.kind = HealthCheck::Kind::kSendExpect;
  route_.health.send = "hello";
  route_.health.expect = "hello";
  route_.health.interval = absl::Seconds(1);
  route_.health.timeout = absl::Seconds(30);
  Start();
  Advance(absl::Seconds(20));
  EXPECT_EQ(silent.accepted(), 1);
  EXPECT_EQ(live_.sockets, 1);
  Advance(absl::Seconds(20));
  EXPECT_EQ(silent.accepted(), 2);
}

TEST_F(HealthCheckerTest, SpreadsTheChecksOverTheInterval) {
  FakeBackend backend(loop_.get(), "");
  const uint16_t port = Address(backend.name()).port();
  for (int i = 1; i <= 40; ++i) {
    // All of 127.0.0.0/8 is loopback, but only one of them listens: the rest is refused.
    route_.backends.push_back(
        BackendAt("127.0.0." + std::to_string(i) + ":" + std::to_string(port)));
  }
  route_.health.interval = absl::Seconds(10);
  route_.health.unhealthy_after = 1;
  Start();
  int before = 0;
  int seconds_with_news = 0;
  for (int second = 0; second < 10; ++second) {
    Advance(absl::Seconds(1));
    int unhealthy = 0;
    for (const auto& status : pool_->Endpoints(loop_->now())) unhealthy += status.healthy ? 0 : 1;
    EXPECT_LE(unhealthy - before, 12) << "too many at once";
    if (unhealthy > before) ++seconds_with_news;
    before = unhealthy;
  }
  EXPECT_EQ(before, 39) << "all were checked within the first interval";
  EXPECT_GE(seconds_with_news, 7);
}

TEST_F(HealthCheckerTest, FollowsTheEndpointsOfThePool) {
  FakeBackend first(loop_.get(), "");
  FakeBackend second(loop_.get(), "");
  route_.backends = {testing::BackendNamed("orders.internal", 80)};
  route_.health.kind = HealthCheck::Kind::kSendExpect;
  route_.health.send = "hello";
  route_.health.expect = "hello";
  route_.health.timeout = absl::Seconds(30);
  Start();
  EXPECT_EQ(checker_->endpoints(), 0u);
  pool_->SetEndpoints(0, {{{Address(first.name())}}}, loop_->now());
  checker_->Sync();
  Advance(absl::Seconds(6));
  EXPECT_EQ(first.accepted(), 1);
  pool_->SetEndpoints(0, {{{Address(second.name())}}}, loop_->now());
  checker_->Sync();
  EXPECT_EQ(checker_->endpoints(), 1u);
  EXPECT_EQ(live_.sockets, 0) << "the check of the one that is gone has been cancelled";
  Advance(absl::Seconds(60));
  EXPECT_EQ(first.accepted(), 1);
  EXPECT_GE(second.accepted(), 1);
}

TEST_F(HealthCheckerTest, WithoutAKindNothingIsChecked) {
  FakeBackend backend(loop_.get(), "");
  route_.backends = {BackendAt(backend.name())};
  route_.health.kind = HealthCheck::Kind::kNone;
  Start();
  Advance(absl::Seconds(20));
  EXPECT_EQ(backend.accepted(), 0);
}

}  // namespace
}  // namespace tlsbridge
