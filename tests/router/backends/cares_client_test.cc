#include "router/backends/cares_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <optional>

#include "bridge/event/clock.h"
#include "bridge/event/timer.h"
#include "tests/router/backends/dns_responder.h"
#include "tests/support/few_descriptors.h"

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

  // n0.internal, n1.internal, ... each asked for; those that are answered are counted.
  void AskForMany(CaresClient* client, int names) {
    for (int i = 0; i < names; ++i) {
      const std::string name = "n" + std::to_string(i) + ".internal";
      server_.SetAddresses(name, {"10.0.0.1"}, 42);
      queries_.push_back(client->LookUpAddresses(
          name, 8080, [this](const auto& answer) { answered_ += answer.ok() ? 1 : 0; }));
    }
  }

  static int OpenDescriptors() {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return static_cast<int>(std::distance(begin(files), end(files)));
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
  std::vector<std::unique_ptr<DnsQuery>> queries_;
  int answered_ = 0;
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

TEST_F(CaresClientTest, ThreeHundredNamesShareASocket) {
  CaresClient client(loop_.get(), settings_);
  const int before = OpenDescriptors();
  AskForMany(&client, 300);
  int most = 0;
  const absl::Time deadline = clock_.Monotonic() + absl::Seconds(30);
  while (answered_ < 300 && clock_.Monotonic() < deadline) {
    loop_->Turn(/*wait=*/true);
    most = std::max(most, OpenDescriptors() - before);
  }
  EXPECT_EQ(answered_, 300);
  EXPECT_LE(most, 2);
  for (int i = 0; i < 10; ++i) loop_->Turn(/*wait=*/false);  // the channel is given up
  EXPECT_EQ(OpenDescriptors(), before);
  queries_.clear();
  EXPECT_EQ(loop_->service_timers().armed(), 0u);
}

TEST_F(CaresClientTest, SoManyAreAskedAtOnceAndTheNextWhenTheirTimeIsOver) {
  server_.set_mode(DnsResponder::Mode::kSilent);
  CaresClient client(loop_.get(), settings_);
  AskForMany(&client, 3 * CaresClient::kMostOpen);
  while (server_.udp_questions() < 2 * CaresClient::kMostOpen) loop_->Turn(/*wait=*/true);
  for (int i = 0; i < 100; ++i) loop_->Turn(/*wait=*/false);
  EXPECT_EQ(server_.udp_questions(), 2 * CaresClient::kMostOpen) << "one for each family";
  server_.set_mode(DnsResponder::Mode::kAnswer);
  // Those that nobody waits for any more make room as well.
  queries_.erase(queries_.begin(), queries_.begin() + CaresClient::kMostOpen);
  const absl::Time deadline = clock_.Monotonic() + absl::Seconds(30);
  while (answered_ < 2 * CaresClient::kMostOpen && clock_.Monotonic() < deadline) {
    loop_->Turn(/*wait=*/true);
  }
  EXPECT_EQ(answered_, 2 * CaresClient::kMostOpen);
  queries_.clear();
}

TEST_F(CaresClientTest, WantOfDescriptorsIsToldAsThat) {
  server_.SetAddresses("orders.internal", {"10.0.0.1"}, 42);
  {
    const testing::FewDescriptors none(0);
    EXPECT_THAT(std::string(Addresses("orders.internal").status().message()),
                ::testing::HasSubstr("Too many open files"));
    EXPECT_THAT(std::string(Services("_http._tcp.orders.internal").status().message()),
                ::testing::HasSubstr("Too many open files"));
  }
  EXPECT_TRUE(Addresses("orders.internal").ok());
}

TEST_F(CaresClientTest, WantOfADescriptorForTcpIsToldAsThat) {
  server_.SetAddresses("orders.internal", {"10.0.0.1"}, 42);
  server_.set_mode(DnsResponder::Mode::kTruncateUdp);
  CaresClient client(loop_.get(), settings_);
  std::optional<absl::StatusOr<AddressAnswer>> result;
  const auto query = client.LookUpAddresses(
      "orders.internal", 80,
      [&result](absl::StatusOr<AddressAnswer> answer) { result = std::move(answer); });
  while (server_.udp_questions() == 0) loop_->Turn(/*wait=*/true);
  const testing::FewDescriptors none(0);
  EXPECT_EQ(WaitFor(&result).status().message(),
            "cannot open a socket to a name server: Too many open files");
}

}  // namespace
}  // namespace tlsbridge
