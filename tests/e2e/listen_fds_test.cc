// Sockets that somebody else has bound: what `systemd-socket-activate` passes on is accepted from.

#include <unistd.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

constexpr char kActivate[] = "/usr/bin/systemd-socket-activate";

void Echo(Socket& connection) {
  while (true) {
    const auto bytes = connection.ReadSome();
    if (!bytes.ok() || bytes->empty() || !connection.Write(*bytes).ok()) return;
  }
}

class ListenFdsTest : public TlsbridgeTest {
 protected:
  void SetUp() override {
    if (access(kActivate, X_OK) != 0) GTEST_SKIP() << "no " << kActivate << " (package systemd)";
  }
  // The program starts when the first client comes.
  std::future<std::string> GreetsAt(const std::string& address) {
    return std::async(std::launch::async, [address]() -> std::string {
      const Deadline deadline(kPatience);
      while (deadline.PollTimeoutMilliseconds() > 0) {
        auto client = TlsClient::Open(address);
        if (!client.ok()) continue;
        if (!client->Write("hello").ok()) return "cannot write";
        return client->ReadExactly(5).value_or("nothing");
      }
      return "cannot connect";
    });
  }
  TlsbridgeOptions Activated(const std::vector<std::string>& sockets, const std::string& name,
                             const std::vector<std::string>& listen) {
    const CertificateFiles files = certificates().Issue();
    TlsbridgeOptions options;
    options.listen = listen;
    options.arguments = {"--backend", backend_.address(), "--cert", files.certificate,
                         "--key",     files.key};
    options.wrapper = {kActivate};
    for (const std::string& socket : sockets) {
      options.wrapper.insert(options.wrapper.end(), {"-l", socket});
    }
    if (!name.empty()) options.wrapper.push_back("--fdname=" + name);
    return options;
  }

  TcpBackend backend_{Echo};
};

TEST_F(ListenFdsTest, TheClientThatWokeItIsServedOnTheSocketOfItsAddress) {
  const std::string address = FreeAddress();
  std::future<std::string> greeting = GreetsAt(address);
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(Activated({address}, "", {address})));
  EXPECT_EQ(greeting.get(), "hello");
  EXPECT_EQ(tlsbridge().addresses(), std::vector<std::string>{address});
}

TEST_F(ListenFdsTest, ByItsNameASocketIsThatOfAListenerWithoutAPort) {
  const std::string address = FreeAddress(2);
  TlsbridgeOptions options = Activated({address}, "web", {OwnLoopback(2) + ":0"});
  options.arguments.push_back("--listen-name=web");
  std::future<std::string> greeting = GreetsAt(address);
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(options));
  EXPECT_EQ(greeting.get(), "hello");
  EXPECT_EQ(tlsbridge().addresses(), std::vector<std::string>{address});
}

TEST_F(ListenFdsTest, ASocketThatFitsNoListenerIsAnErrorThatSaysWhatToDo) {
  const std::string address = FreeAddress(3);
  std::future<std::string> greeting = std::async(std::launch::async, [address]() -> std::string {
    const Deadline deadline(kPatience);
    while (deadline.PollTimeoutMilliseconds() > 0) {
      if (Socket::Connect(address).ok()) return "connected";
    }
    return "cannot connect";
  });
  const auto refused = Tlsbridge::Start(Activated({address}, "web", {OwnLoopback(3) + ":0"}));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("descriptor 3 of LISTEN_FDS (named 'web', " + address +
                        ") matches no listener: no listener has that address"));
  EXPECT_EQ(greeting.get(), "connected");
}

}  // namespace
}  // namespace tlsbridge::e2e
