// A real name server whose answers change, stop and come back.

#include <signal.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/deadline.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/peer_program.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

class DnsTest : public TlsbridgeTest {
 protected:
  static TcpBackend::Handler Saying(const std::string& letter) {
    return [letter](Socket& connection) {
      (void)connection.Write(letter);
      (void)connection.ReadToEnd();
    };
  }
  // The IP addresses of orders.internal.
  void WriteHosts(std::initializer_list<std::string> addresses) {
    std::string hosts;
    for (const std::string& address : addresses) {
      absl::StrAppend(&hosts, address, " orders.internal\n");
    }
    dir().WriteFile("hosts", hosts);
    if (server_ != nullptr) server_->SendSignal(SIGHUP);
  }
  void StartServer() {
    server_ = StartPeer(
        {"/usr/sbin/dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv",
         "--no-hosts", "--user=root", "--pid-file=", "--bind-interfaces", "--local-ttl=1",
         "--log-facility=-", absl::StrCat("--addn-hosts=", dir().PathOf("hosts")),
         absl::StrCat("--listen-address=", OwnLoopback(3)),
         absl::StrCat("--port=", PortOf(server_address_))},
        server_address_);
    ASSERT_NE(server_, nullptr);
  }
  void StopServer() {
    server_->SendSignal(SIGTERM);
    EXPECT_TRUE(server_->WaitForExit());
    server_.reset();
  }
  void Start() {
    StartRun(
        absl::StrCat("listeners: [{address: \"127.0.0.1:0\"}]\n"
                     "routes:\n"
                     "  - name: main\n"
                     "    unsafe_backend: true\n"
                     "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
                     "    backends: [{address: \"dns:orders.internal:",
                     PortOf(a_.address()), "\"}]\n    dns: {ttl_floor: 100ms, servers: [\"",
                     server_address_, "\"]}\n"));
  }
  // The letter of the backend that serves; "!" for none.
  std::string WhoServes() {
    auto client = TlsClient::Open(tlsbridge().address());
    return client.ok() ? client->ReadExactly(1).value_or("!") : "!";
  }
  // Whether new connections come to that backend, in time.
  bool ComesToServe(const std::string& letter) {
    const Deadline deadline(kPatience);
    while (deadline.PollTimeoutMilliseconds() > 0) {
      if (WhoServes() == letter) return true;
    }
    return false;
  }

  const std::string server_address_ = FreeAddress(3);
  TcpBackend a_{Saying("a"), OwnLoopback(1) + ":0"};
  TcpBackend b_{Saying("b"), absl::StrCat(OwnLoopback(2), ":", PortOf(a_.address()))};
  std::unique_ptr<Process> server_;
};

TEST_F(DnsTest, ConnectionsFollowTheAnswer) {
  WriteHosts({OwnLoopback(1)});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_TRUE(tlsbridge().WaitForEvent("backends_resolved"));
  EXPECT_EQ(WhoServes(), "a");
  // A connection that is open stays where it is.
  auto held = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(held->ReadExactly(1).value_or("!"), "a");
  WriteHosts({OwnLoopback(2)});
  EXPECT_TRUE(ComesToServe("b"));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(WhoServes(), "b");
  EXPECT_EQ(tlsbridge().Dump()["live"]["records"].get<int>() >= 1, true);
  WriteHosts({OwnLoopback(1), OwnLoopback(2)});
  EXPECT_TRUE(ComesToServe("a"));
  EXPECT_TRUE(ComesToServe("b"));
  EXPECT_TRUE(tlsbridge().WaitForEvent("backends_resolved",
                                       [](const auto& event) { return event["endpoints"] == 2; }));
  EXPECT_TRUE(held->SendCloseNotify().ok());
}

TEST_F(DnsTest, TheLastGoodAnswerIsKeptWhileTheServerIsAway) {
  WriteHosts({OwnLoopback(1)});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_TRUE(tlsbridge().WaitForEvent("backends_resolved"));
  StopServer();
  const auto failed = tlsbridge().WaitForEvent("dns_failed");
  ASSERT_TRUE(failed);
  EXPECT_EQ((*failed)["endpoints_kept"], 1);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(WhoServes(), "a");
  WriteHosts({OwnLoopback(2)});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  EXPECT_TRUE(tlsbridge().WaitForEvent("dns_restored"));
  EXPECT_TRUE(ComesToServe("b"));
}

TEST_F(DnsTest, ANameThatDoesNotExistYetIsServedOnceItDoes) {
  WriteHosts({});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_TRUE(tlsbridge().WaitForEvent("dns_failed"));
  EXPECT_EQ(WhoServes(), "!");
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["reason"], "no_backend");
  WriteHosts({OwnLoopback(2)});
  EXPECT_TRUE(ComesToServe("b"));
}

}  // namespace
}  // namespace tlsbridge::e2e
