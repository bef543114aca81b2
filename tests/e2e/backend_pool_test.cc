// Several backends that come and go: nobody sees an error where another one could have served.

#include <sys/socket.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/socket_address.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

// Sends its letter, and waits for the client to leave.
std::unique_ptr<TcpBackend> Named(char letter, const std::string& address) {
  return std::make_unique<TcpBackend>(
      [letter](Socket& connection) {
        (void)connection.Write(std::string(1, letter));
        (void)connection.ReadToEnd();
      },
      address);
}

// Never answers a SYN: its queue is full.
class BlackHole {
 public:
  explicit BlackHole(const std::string& address) {
    const auto where = SocketAddress::Parse(address);
    const int on = 1;
    listener_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    EXPECT_EQ(bind(listener_.get(), where->get(), where->size_bytes()), 0);
    EXPECT_EQ(listen(listener_.get(), 0), 0);
    for (UniqueFd& fd : fillers_) {
      fd.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)connect(fd.get(), where->get(), where->size_bytes());
    }
  }

 private:
  UniqueFd listener_;
  UniqueFd fillers_[4];
};

class BackendPoolTest : public TlsbridgeTest {
 protected:
  // One route to a, b and c. `weights` are lines inside of them, `more` lines of the route.
  void Start(const std::string& more, const std::vector<std::string>& inside = {"", "", ""}) {
    std::string yaml = absl::StrCat(
        "workers: 1\n"
        "listeners: [{address: \"127.0.0.1:0\"}]\n"
        "routes:\n"
        "  - name: main\n"
        "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n",
        more, "    backends:\n");
    for (size_t i = 0; i < addresses_.size(); ++i) {
      absl::StrAppend(&yaml, "      - {address: \"", addresses_[i], "\"", inside[i], "}\n");
    }
    StartRun(yaml);
  }
  void Revive(size_t i) { backends_[i] = Named(static_cast<char>('a' + i), addresses_[i]); }
  void ReviveAll() {
    for (size_t i = 0; i < addresses_.size(); ++i) Revive(i);
  }
  // The letter of who served; '!' for nobody.
  char WhoServes() {
    auto client = TlsClient::Open(tlsbridge().address());
    if (!client.ok()) return '!';
    const auto letter = client->ReadExactly(1);
    (void)client->SendCloseNotify();
    return letter.ok() ? (*letter)[0] : '!';
  }
  std::map<char, int> Serve(int connections) {
    std::map<char, int> served;
    for (int i = 0; i < connections; ++i) ++served[WhoServes()];
    return served;
  }
  bool WaitFor(const std::string& event, size_t i) {
    return tlsbridge()
        .WaitForEvent(event, [&](const auto& line) { return line["backend"] == addresses_[i]; })
        .has_value();
  }

  const std::vector<std::string> addresses_ = {FreeAddress(1), FreeAddress(2), FreeAddress(3)};
  std::unique_ptr<TcpBackend> backends_[3];
};

TEST_F(BackendPoolTest, RoundRobinSharesEvenly) {
  ReviveAll();
  ASSERT_NO_FATAL_FAILURE(Start(""));
  EXPECT_EQ(Serve(30), (std::map<char, int>{{'a', 10}, {'b', 10}, {'c', 10}}));
}

TEST_F(BackendPoolTest, WeightsAreSharesAndDrainTakesNone) {
  ReviveAll();
  ASSERT_NO_FATAL_FAILURE(Start("", {", weight: 3", "", ", drain: true"}));
  std::map<char, int> served = Serve(40);
  EXPECT_NEAR(served['a'], 30, 2);
  EXPECT_NEAR(served['b'], 10, 2);
  EXPECT_EQ(served['a'] + served['b'], 40);
}

TEST_F(BackendPoolTest, SourceHashKeepsAClientWhereItIs) {
  ReviveAll();
  ASSERT_NO_FATAL_FAILURE(Start("    balance: source-hash\n"));
  EXPECT_EQ(Serve(20).size(), 1u);
}

TEST_F(BackendPoolTest, LeastConnectionsAvoidsTheBusy) {
  ReviveAll();
  ASSERT_NO_FATAL_FAILURE(Start("    balance: least-connections\n"));
  std::map<char, int> served;
  std::vector<TlsClient> held;
  for (int i = 0; i < 9; ++i) {
    auto client = TlsClient::Open(tlsbridge().address());
    ASSERT_TRUE(client.ok());
    ++served[client->ReadExactly(1).value_or("!")[0]];
    held.push_back(*std::move(client));
  }
  EXPECT_EQ(served, (std::map<char, int>{{'a', 3}, {'b', 3}, {'c', 3}}));
}

TEST_F(BackendPoolTest, WithAllDownTheClientIsToldAndThePoolRecovers) {
  ASSERT_NO_FATAL_FAILURE(Start(""));
  EXPECT_EQ(WhoServes(), '!');
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["reason"], "econnrefused");
  Revive(1);
  EXPECT_EQ(Serve(5), (std::map<char, int>{{'b', 5}}));
}

TEST_F(BackendPoolTest, ABlackHoleDoesNotUseUpTheTimeOfTheOthers) {
  const BlackHole hole(addresses_[0]);
  Revive(2);  // b refuses, c serves
  ASSERT_NO_FATAL_FAILURE(
      Start("    timeouts: {connect: 1500ms}\n    ejection: {after_failures: 0}\n"));
  EXPECT_EQ(Serve(6), (std::map<char, int>{{'c', 6}}));
}

// Killed between two connections of the load, so that only dialling can fail.
TEST_F(BackendPoolTest, UnderLoadBackendsDieHangAndReviveAndNoClientSeesAnError) {
  ReviveAll();
  ASSERT_NO_FATAL_FAILURE(
      Start("    timeouts: {connect: 3s}\n"
            "    ejection: {after_failures: 2, first: 200ms, longest: 500ms}\n"));
  // A writer passes the first mutex before it waits for the second, so that readers let it in.
  std::mutex turnstile;
  std::shared_mutex gate;
  std::atomic<bool> stop = false;
  std::map<char, std::atomic<int>> served;
  for (const char letter : {'a', 'b', 'c', '!'}) served[letter] = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      while (!stop) {
        turnstile.lock();
        const std::shared_lock lock(gate);
        turnstile.unlock();
        ++served.at(WhoServes());
      }
    });
  }
  // Until `more` connections have been served, each by anybody of `letters`.
  const auto serve = [&](const std::string& letters, int more) {
    for (const char letter : letters) {
      const int goal = served.at(letter) + more;
      const Deadline deadline(kPatience);
      while (served.at(letter) < goal && deadline.PollTimeoutMilliseconds() > 0) {
        std::this_thread::yield();
      }
      EXPECT_GE(served.at(letter), goal) << letter;
    }
  };
  serve("abc", 5);
  {
    const std::scoped_lock lock(turnstile);
    const std::lock_guard quiet(gate);
    backends_[0].reset();
  }
  EXPECT_TRUE(WaitFor("backend_ejected", 0));
  serve("bc", 10);
  Revive(0);
  EXPECT_TRUE(WaitFor("backend_restored", 0));
  serve("abc", 5);
  std::unique_ptr<BlackHole> hole;
  {
    const std::scoped_lock lock(turnstile);
    const std::lock_guard quiet(gate);
    backends_[1].reset();
    hole = std::make_unique<BlackHole>(addresses_[1]);
  }
  EXPECT_TRUE(WaitFor("backend_ejected", 1));
  serve("ac", 10);
  hole.reset();
  Revive(1);
  EXPECT_TRUE(WaitFor("backend_restored", 1));
  serve("abc", 5);
  // Two of three at once, in both ways.
  {
    const std::scoped_lock lock(turnstile);
    const std::lock_guard quiet(gate);
    backends_[2].reset();
    backends_[0].reset();
    hole = std::make_unique<BlackHole>(addresses_[0]);
  }
  EXPECT_TRUE(WaitFor("backend_ejected", 2));
  serve("b", 15);
  hole.reset();
  Revive(0);
  Revive(2);
  serve("abc", 5);
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(served.at('!'), 0);
}

TEST_F(BackendPoolTest, HealthChecksTakeABackendOutAndBringItBack) {
  ReviveAll();
  ASSERT_NO_FATAL_FAILURE(
      Start("    ejection: {after_failures: 0}\n"
            "    health_check: {kind: send-expect, send: \"?\", expect: \"b\", interval: 100ms,\n"
            "                   timeout: 2s, healthy_after: 2, unhealthy_after: 2}\n"
            "    timeouts: {connect: 3s}\n"));
  // Those who answer otherwise are as bad as those who do not: but all are not taken out, so that
  // a and c are still there for when b is not.
  EXPECT_TRUE(WaitFor("backend_unhealthy", 0));
  EXPECT_TRUE(WaitFor("backend_unhealthy", 2));
  backends_[1].reset();
  EXPECT_TRUE(WaitFor("backend_unhealthy", 1));
  EXPECT_EQ(Serve(6).count('!'), 0u);
  Revive(1);
  EXPECT_TRUE(WaitFor("backend_healthy", 1));
}

TEST_F(BackendPoolTest, AnUnhealthyBackendGetsNoConnections) {
  Revive(0);
  Revive(1);
  ASSERT_NO_FATAL_FAILURE(Start(
      "    health_check: {kind: tcp, interval: 100ms, healthy_after: 2, unhealthy_after: 2}\n"));
  ASSERT_TRUE(WaitFor("backend_unhealthy", 2));
  // It would serve now; but until checks have said so it is not asked.
  EXPECT_EQ(Serve(20), (std::map<char, int>{{'a', 10}, {'b', 10}}));
  Revive(2);
  ASSERT_TRUE(WaitFor("backend_healthy", 2));
  EXPECT_EQ(Serve(30), (std::map<char, int>{{'a', 10}, {'b', 10}, {'c', 10}}));
}

}  // namespace
}  // namespace tlsbridge::e2e
