#include "router/backends/cares_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "bridge/event/clock.h"
#include "bridge/event/timer.h"
#include "tests/router/backends/dns_responder.h"

namespace tlsbridge {
namespace {

using testing::DnsResponder;
using ::testing::UnorderedElementsAre;

class CaresClientTest : public ::testing::Test {
 protected:
  CaresClientTest() : loop_(*EventLoop::Create(&clock_)), server_(loop_.get()) {
    settings_.servers = {server_.address()};
  }

  absl::StatusOr<AddressAnswer> Addresses(const std::string& name) {
    CaresClient client(loop_.get(), settings_);
    std::optional<absl::StatusOr<AddressAnswer>> result;
    const auto query = client.LookUpAddresses(
        name, 8080,
        [&result](absl::StatusOr<AddressAnswer> answer) { result = std::move(answer); });
    EXPECT_FALSE(result.has_value()) << "answered inside the call that asks";
    return WaitFor(&result);
  }

  absl::StatusOr<SrvAnswer> Services(const std::string& name) {
    CaresClient client(loop_.get(), settings_);
    std::optional<absl::StatusOr<SrvAnswer>> result;
    const auto query = client.LookUpServices(
        name, [&result](absl::StatusOr<SrvAnswer> answer) { result = std::move(answer); });
    EXPECT_FALSE(result.has_value()) << "answered inside the call that asks";
    return WaitFor(&result);
  }

  template <typename T>
  T WaitFor(std::optional<T>* result) {
    bool late = false;
    Timer deadline(
        loop_.get(), [&late] { late = true; }, Timer::Of::kService);
    deadline.ArmAfter(absl::Seconds(30));
    while (!result->has_value() && !late) loop_->Turn(/*wait=*/true);
    if (late) return absl::DeadlineExceededError("the test waited in vain");
    return **result;
  }

  static std::vector<std::string> Texts(const AddressAnswer& answer) {
    std::vector<std::string> texts;
    for (const SocketAddress& address : answer.addresses) texts.push_back(address.ToString());
    return texts;
  }

  SystemClock clock_;
  std::unique_ptr<EventLoop> loop_;
  DnsResponder server_;
  DnsSettings settings_;
};

TEST_F(CaresClientTest, FindsAddressesOfBothFamiliesWithPortAndTtl) {
  server_.SetAddresses("orders.internal", {"10.0.0.1", "10.0.0.2", "fd00::1"}, 42);
  const auto answer = Addresses("orders.internal");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(Texts(*answer),
              UnorderedElementsAre("10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"));
  EXPECT_EQ(answer->ttl, absl::Seconds(42));
  EXPECT_EQ(server_.udp_questions(), 2);
}

TEST_F(CaresClientTest, AsksAgainByTcpWhenTheAnswerWasTruncated) {
  server_.SetAddresses("orders.internal", {"10.0.0.1"}, 42);
  server_.set_mode(DnsResponder::Mode::kTruncateUdp);
  const auto answer = Addresses("orders.internal");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(Texts(*answer), UnorderedElementsAre("10.0.0.1:8080"));
  EXPECT_EQ(server_.tcp_questions(), 2);
}

TEST_F(CaresClientTest, TellsThatANameDoesNotExist) {
  EXPECT_TRUE(absl::IsNotFound(Addresses("nobody.internal").status()));
  EXPECT_TRUE(absl::IsNotFound(Services("_http._tcp.nobody.internal").status()));
}

TEST_F(CaresClientTest, FailsWhenTheServerDoes) {
  server_.SetAddresses("orders.internal", {"10.0.0.1"}, 42);
  server_.set_mode(DnsResponder::Mode::kServfail);
  EXPECT_FALSE(Addresses("orders.internal").ok());
  EXPECT_GT(server_.udp_questions(), 0);
  server_.set_mode(DnsResponder::Mode::kGarbage);
  settings_.timeout = absl::Milliseconds(200);
  EXPECT_FALSE(Addresses("orders.internal").ok());
}

TEST_F(CaresClientTest, GivesUpAfterItsTimeoutWhenNobodyAnswers) {
  server_.set_mode(DnsResponder::Mode::kSilent);
  settings_.timeout = absl::Milliseconds(200);
  const absl::Time begin = clock_.Monotonic();
  EXPECT_FALSE(Addresses("orders.internal").ok());
  EXPECT_GE(clock_.Monotonic() - begin, absl::Milliseconds(100));
  EXPECT_GE(server_.udp_questions(), 2);
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
}

TEST_F(CaresClientTest, AsksTheNextServerWhenTheFirstIsSilent) {
  DnsResponder silent(loop_.get());
  silent.set_mode(DnsResponder::Mode::kSilent);
  server_.SetAddresses("orders.internal", {"10.0.0.1"}, 42);
  settings_.servers = {silent.address(), server_.address()};
  settings_.timeout = absl::Seconds(1);
  EXPECT_TRUE(Addresses("orders.internal").ok());
  EXPECT_GT(silent.udp_questions(), 0);
}

TEST_F(CaresClientTest, FindsServicesWithPriorityWeightPortAndTtl) {
  server_.SetServices("_http._tcp.orders.internal",
                      {{10, 60, 8080, "a.internal"}, {20, 0, 8081, "b.internal"}}, 17);
  const auto answer = Services("_http._tcp.orders.internal");
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->records.size(), 2u);
  EXPECT_EQ(answer->ttl, absl::Seconds(17));
  EXPECT_EQ(answer->records[0].target, "a.internal");
  EXPECT_EQ(answer->records[0].priority, 10);
  EXPECT_EQ(answer->records[0].weight, 60);
  EXPECT_EQ(answer->records[0].port, 8080);
  EXPECT_EQ(answer->records[1].target, "b.internal");
}

TEST_F(CaresClientTest, HonoursTheHostsFile) {
  const auto answer = Addresses("localhost");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(Texts(*answer), ::testing::Contains("127.0.0.1:8080"));
  EXPECT_EQ(server_.udp_questions(), 0);
}

TEST_F(CaresClientTest, AQueryThatDiesIsNeverAnswered) {
  server_.SetAddresses("orders.internal", {"10.0.0.1"}, 42);
  CaresClient client(loop_.get(), settings_);
  bool called = false;
  auto query =
      client.LookUpAddresses("orders.internal", 80, [&called](const auto&) { called = true; });
  while (server_.udp_questions() == 0) loop_->Turn(/*wait=*/true);
  query.reset();
  EXPECT_TRUE(Addresses("orders.internal").ok());
  EXPECT_FALSE(called);
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
}

}  // namespace
}  // namespace tlsbridge
