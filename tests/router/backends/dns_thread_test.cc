#include "router/backends/dns_thread.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "bridge/event/clock.h"
#include "tests/router/backends/dns_responder.h"

namespace {

// Who opens files by name, which is how c-ares reads its own.
// Made when first asked for: others open files before this program's main().
std::mutex mutex;
std::set<std::thread::id>& Readers() {
  static auto* const readers = new std::set<std::thread::id>;
  return *readers;
}
std::set<std::string>& Files() {
  static auto* const files = new std::set<std::string>;
  return *files;
}

FILE* Open(const char* function, const char* path, const char* mode) {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    Readers().insert(std::this_thread::get_id());
    Files().insert(path);
  }
  return reinterpret_cast<FILE* (*)(const char*, const char*)>(dlsym(RTLD_NEXT, function))(path,
                                                                                           mode);
}

}  // namespace

extern "C" FILE* fopen(const char* path, const char* mode) { return Open("fopen", path, mode); }
extern "C" FILE* fopen64(const char* path, const char* mode) { return Open("fopen64", path, mode); }

namespace tlsbridge {
namespace {

using testing::DnsResponder;

class DnsThreadTest : public ::testing::Test {
 protected:
  DnsThreadTest() {
    settings_.servers = {server_.address()};
    dns_ = *DnsThread::Create();
    client_ = dns_->MakeClient(loop_.get(), settings_);
    server_.SetAddresses("orders.internal", {"10.0.0.1"}, 42);
    const std::lock_guard<std::mutex> lock(mutex);
    Readers().clear();
    Files().clear();
  }

  ManualClock clock_;  // lookups do not wait for it
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(&clock_);
  DnsResponder server_{loop_.get()};
  DnsSettings settings_;
  std::unique_ptr<DnsThread> dns_;
  std::unique_ptr<DnsClient> client_;
};

TEST_F(DnsThreadTest, TheAnswerComesOnTheAskersThreadAndItsFilesAreReadElsewhere) {
  std::optional<std::thread::id> answered_on;
  const auto query = client_->LookUpAddresses("orders.internal", 80, [&](const auto& answer) {
    EXPECT_TRUE(answer.ok()) << answer.status();
    answered_on = std::this_thread::get_id();
  });
  EXPECT_FALSE(answered_on.has_value()) << "answered inside the call that asks";
  while (!answered_on.has_value()) loop_->Turn(/*wait=*/true);
  EXPECT_EQ(*answered_on, std::this_thread::get_id());
  const std::lock_guard<std::mutex> lock(mutex);
  EXPECT_EQ(Files().count("/etc/hosts"), 1u) << "or this test sees nothing";
  EXPECT_EQ(Files().count("/etc/resolv.conf"), 1u);
  EXPECT_EQ(Readers().count(std::this_thread::get_id()), 0u);
}

TEST_F(DnsThreadTest, ServicesAreFoundAsWell) {
  server_.SetServices("_http._tcp.orders.internal", {{10, 60, 8080, "a.internal"}}, 17);
  std::optional<absl::StatusOr<SrvAnswer>> result;
  const auto query = client_->LookUpServices(
      "_http._tcp.orders.internal",
      [&result](absl::StatusOr<SrvAnswer> answer) { result = std::move(answer); });
  while (!result.has_value()) loop_->Turn(/*wait=*/true);
  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_EQ((*result)->records.at(0).target, "a.internal");
}

TEST_F(DnsThreadTest, AQueryThatDiesIsNeverAnsweredThoughItsAnswerIsUnderWay) {
  bool called = false;
  auto query =
      client_->LookUpAddresses("orders.internal", 80, [&called](const auto&) { called = true; });
  while (server_.udp_questions() < 2) loop_->Turn(/*wait=*/true);
  query.reset();
  // Asked later, so it is answered later.
  bool answered = false;
  query = client_->LookUpAddresses("orders.internal", 80,
                                   [&answered](const auto&) { answered = true; });
  while (!answered) loop_->Turn(/*wait=*/true);
  EXPECT_FALSE(called);
}

TEST_F(DnsThreadTest, ClientsComeAndGoWhileOthersAsk) {
  auto other = dns_->MakeClient(loop_.get(), settings_);
  int answered = 0;
  const auto query =
      other->LookUpAddresses("orders.internal", 80, [&answered](const auto&) { ++answered; });
  client_.reset();
  while (answered == 0) loop_->Turn(/*wait=*/true);
  client_ = dns_->MakeClient(loop_.get(), DnsSettings());
}

TEST_F(DnsThreadTest, EndsInTheMiddleOfAQuestion) {
  server_.set_mode(DnsResponder::Mode::kSilent);
  auto query = client_->LookUpAddresses("orders.internal", 80, [](const auto&) {});
  while (server_.udp_questions() == 0) loop_->Turn(/*wait=*/true);
  query.reset();
  client_.reset();
  dns_.reset();
  loop_->Turn(/*wait=*/false);
}

}  // namespace
}  // namespace tlsbridge
