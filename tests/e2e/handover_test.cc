// Hand-overs of the real program under load: nobody is refused, nobody is cut, and who came before
// the first is served by the process of then.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/support/handover_fixture.h"

namespace tlsbridge::e2e {
namespace {

using HandoverTest = HandoverFixture;

// Clients that connect, talk and leave, again and again, until they are told to stop.
class Load {
 public:
  Load(const std::vector<std::string>& addresses, int clients) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, address = addresses[static_cast<size_t>(i) % addresses.size()]] {
        while (!over_) Once(address);
      });
    }
  }
  ~Load() { Stop(); }
  void Stop() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  int served() const { return served_; }
  int failed() const { return failed_; }
  std::string first_failure() {
    const std::lock_guard lock(mutex_);
    return first_failure_;
  }

 private:
  void Once(const std::string& address) {
    auto client = TlsClient::Open(address);
    if (!client.ok()) return Fail(absl::StrCat(address, ": ", client.status().ToString()));
    if (!Echoes(*client, "hello")) return Fail(address + ": no echo");
    ++served_;
  }
  void Fail(const std::string& why) {
    ++failed_;
    const std::lock_guard lock(mutex_);
    if (first_failure_.empty()) first_failure_ = why;
  }

  std::atomic<bool> over_ = false;
  std::atomic<int> served_ = 0;
  std::atomic<int> failed_ = 0;
  std::mutex mutex_;
  std::string first_failure_;
  std::vector<std::thread> threads_;
};

TEST_F(HandoverTest, TwoHundredUnderLoadLoseNobodyAndTheFirstClientKeepsItsProcess) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int kHandovers = 10;
#else
  constexpr int kHandovers = 200;
#endif
  ASSERT_NO_FATAL_FAILURE(Start());
  auto first = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(first.ok() && Echoes(*first, "before"));
  Load load(tlsbridge().addresses(), 8);
  for (int i = 0; i < kHandovers; ++i) ASSERT_GT(HandOver(), 0) << i;
  load.Stop();
  EXPECT_EQ(load.failed(), 0) << load.first_failure();
  EXPECT_GT(load.served(), kHandovers);
  EXPECT_EQ(kill(tlsbridge().process().pid(), 0), 0) << "the first is there still";
  EXPECT_TRUE(Echoes(*first, "after"));
  const auto status = nlohmann::json::parse(Ask({"status", "--json"}).output, nullptr, false);
  EXPECT_EQ(status.value("generation", 0), kHandovers + 1);
  ASSERT_FALSE(status["draining_generations"].empty());
  EXPECT_EQ(status["draining_generations"][0]["pid"], tlsbridge().process().pid());
  EXPECT_EQ(status["draining_generations"][0]["generation"], 1);
}

TEST_F(HandoverTest, SessionsResumeAcrossOnEveryListener) {
  ASSERT_NO_FATAL_FAILURE(Start());
  static bssl::UniquePtr<SSL_SESSION> session;
  const auto resumes = [&](const std::string& address) {
    auto client = TlsClient::Connect(address);
    EXPECT_TRUE(client.ok()) << client.status();
    SSL_CTX* const ctx = SSL_get_SSL_CTX(client->ssl());
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ctx, [](SSL*, SSL_SESSION* made) {
      session.reset(made);
      return 1;
    });
    if (session != nullptr) SSL_set_session(client->ssl(), session.get());
    EXPECT_TRUE(client->Handshake().ok() && Echoes(*client, "hello"));
    return SSL_session_reused(client->ssl()) != 0;
  };
  EXPECT_FALSE(resumes(tlsbridge().address()));
  for (int i = 0; i < 3; ++i) {
    ASSERT_GT(HandOver(), 0) << tlsbridge().Output();
    for (const std::string& address : tlsbridge().addresses()) EXPECT_TRUE(resumes(address));
  }
  session.reset();
  kill(serving_, SIGTERM);
  serving_ = 0;
  ASSERT_TRUE(tlsbridge().WaitForEvent("draining").has_value());
  EXPECT_NE(access(dir().PathOf("s").c_str(), F_OK), 0) << "the last one takes the path away";
}

TEST_F(HandoverTest, WhoHasComeOftenIsCountedOn) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-new-per-ip-per-minute=100"}));
  const auto visit_until_refused = [this] {
    int visits = 0;
    while (visits <= 200 && Serves()) ++visits;
    return visits;
  };
  EXPECT_GE(visit_until_refused(), 100);
  ASSERT_GT(HandOver(), 0);
  EXPECT_LT(visit_until_refused(), 100);
}

TEST_F(HandoverTest, TheCommandTellsWhoServesNow) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const ProgramResult said = Ask({"upgrade"});
  ASSERT_TRUE(NextServes()) << said.errors << tlsbridge().Output();
  EXPECT_EQ(said.output, absl::StrCat("process ", serving_, " serves now, as generation 2\n"));
  EXPECT_EQ(said.exit_code, 0);
  EXPECT_TRUE(Serves());
}

}  // namespace
}  // namespace tlsbridge::e2e
