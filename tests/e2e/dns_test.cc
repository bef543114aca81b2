// A real name server whose answers change, expire, stop and come back.

#include <signal.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

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
  // One that knows the hosts and what `more` says; every other name below internal is none.
  void StartServer(const std::vector<std::string>& more = {}) {
    std::vector<std::string> argv = {"/usr/sbin/dnsmasq",
                                     "--no-daemon",
                                     "--conf-file=/dev/null",
                                     "--no-resolv",
                                     "--no-hosts",
                                     "--local=/internal/",
                                     "--user=root",
                                     "--pid-file=",
                                     "--bind-interfaces",
                                     "--local-ttl=1",
                                     absl::StrCat("--addn-hosts=", dir().PathOf("hosts")),
                                     absl::StrCat("--listen-address=", OwnLoopback(3)),
                                     absl::StrCat("--port=", PortOf(server_address_))};
    argv.insert(argv.end(), more.begin(), more.end());
    server_ = StartPeer(argv, server_address_);
    ASSERT_NE(server_, nullptr);
  }
  void StopServer() {
    server_->SendSignal(SIGTERM);
    EXPECT_TRUE(server_->WaitForExit());
    server_.reset();
  }
  void Start(const std::string& backend) {
    StartRun(absl::StrCat(
        "listeners: [{address: \"127.0.0.1:0\"}]\n"
        "routes:\n"
        "  - name: main\n"
        "    unsafe_backend: true\n"
        "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
        "    backends: [{address: \"",
        backend, "\"}]\n    dns: {ttl_floor: 100ms, servers: [\"", server_address_, "\"]}\n"));
  }
  std::string Host() { return "dns:orders.internal:" + PortOf(a_->address()); }
  // A record of the service, of the host that has the address of `backend`.
  static std::string Service(const std::string& host, const TcpBackend& backend, int priority) {
    return absl::StrCat("--srv-host=_orders._tcp.internal,", host, ".internal,",
                        PortOf(backend.address()), ",", priority, ",1");
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
  void ExpectOnly(const std::string& letter) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(WhoServes(), letter);
  }

  const std::string server_address_ = FreeAddress(3);
  std::unique_ptr<TcpBackend> a_ = std::make_unique<TcpBackend>(Saying("a"), OwnLoopback(1) + ":0");
  std::unique_ptr<TcpBackend> b_ = std::make_unique<TcpBackend>(
      Saying("b"), absl::StrCat(OwnLoopback(2), ":", PortOf(a_->address())));
  std::unique_ptr<Process> server_;
};

TEST_F(DnsTest, ConnectionsFollowTheAnswer) {
  WriteHosts({OwnLoopback(1)});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  ASSERT_NO_FATAL_FAILURE(Start(Host()));
  ASSERT_TRUE(tlsbridge().WaitForEvent("backends_resolved"));
  ExpectOnly("a");
  auto held = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(held->ReadExactly(1).value_or("!"), "a");
  // The answer of before expires, and nobody says so.
  WriteHosts({OwnLoopback(2)});
  EXPECT_TRUE(ComesToServe("b"));
  ExpectOnly("b");
  WriteHosts({OwnLoopback(1), OwnLoopback(2)});
  EXPECT_TRUE(ComesToServe("a"));
  EXPECT_TRUE(ComesToServe("b"));
  EXPECT_TRUE(tlsbridge().WaitForEvent("backends_resolved",
                                       [](const auto& event) { return event["endpoints"] == 2; }));
  // Whoever was served by an address that is gone is served until both have ended.
  ASSERT_TRUE(held->SendCloseNotify().ok());
  EXPECT_EQ(held->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(held->end(), TlsEnd::kCloseNotify);
}

TEST_F(DnsTest, OneFamilyStandsInForTheOther) {
  WriteHosts({"::1", OwnLoopback(1)});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  ASSERT_NO_FATAL_FAILURE(Start(Host()));
  ASSERT_TRUE(tlsbridge().WaitForEvent("backends_resolved", [](const auto& event) {
    return event["endpoints"] == 1;
  })) << "two addresses of one backend";
  ExpectOnly("a");
}

TEST_F(DnsTest, TheLastGoodAnswerIsKeptWhileTheServerIsAway) {
  WriteHosts({OwnLoopback(1)});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  ASSERT_NO_FATAL_FAILURE(Start(Host()));
  ASSERT_TRUE(tlsbridge().WaitForEvent("backends_resolved"));
  StopServer();
  const auto failed = tlsbridge().WaitForEvent("dns_failed");
  ASSERT_TRUE(failed);
  EXPECT_EQ((*failed)["endpoints_kept"], 1);
  ExpectOnly("a");
  WriteHosts({OwnLoopback(2)});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  EXPECT_TRUE(tlsbridge().WaitForEvent("dns_restored"));
  EXPECT_TRUE(ComesToServe("b"));
  ExpectOnly("b");
}

TEST_F(DnsTest, ANameThatIsSaidToBeGoneKeepsItsLastAnswer) {
  WriteHosts({OwnLoopback(1)});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  ASSERT_NO_FATAL_FAILURE(Start(Host()));
  ASSERT_TRUE(tlsbridge().WaitForEvent("backends_resolved"));
  WriteHosts({});
  ASSERT_TRUE(tlsbridge().WaitForEvent("dns_failed"));
  ExpectOnly("a");
}

TEST_F(DnsTest, ANameThatDoesNotExistYetIsServedOnceItDoes) {
  WriteHosts({});
  ASSERT_NO_FATAL_FAILURE(StartServer());
  ASSERT_NO_FATAL_FAILURE(Start(Host()));
  ASSERT_TRUE(tlsbridge().WaitForEvent("dns_failed"));
  EXPECT_EQ(WhoServes(), "!");
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["reason"], "no_backend");
  WriteHosts({OwnLoopback(2)});
  EXPECT_TRUE(ComesToServe("b"));
}

TEST_F(DnsTest, TheRecordsOfAServiceAreFollowed) {
  const std::vector<std::string> hosts = {"--host-record=a.internal," + OwnLoopback(1),
                                          "--host-record=b.internal," + OwnLoopback(2)};
  const auto with = [&hosts](std::vector<std::string> services) {
    services.insert(services.end(), hosts.begin(), hosts.end());
    return services;
  };
  WriteHosts({});
  ASSERT_NO_FATAL_FAILURE(StartServer(with({Service("a", *a_, 1)})));
  ASSERT_NO_FATAL_FAILURE(Start("srv:_orders._tcp.internal"));
  ASSERT_TRUE(tlsbridge().WaitForEvent("backends_resolved"));
  ExpectOnly("a");
  // The lower number is asked first; the other one stands in for it.
  StopServer();
  ASSERT_TRUE(tlsbridge().WaitForEvent("dns_failed"));
  ExpectOnly("a");
  ASSERT_NO_FATAL_FAILURE(StartServer(with({Service("a", *a_, 1), Service("b", *b_, 0)})));
  EXPECT_TRUE(ComesToServe("b"));
  ExpectOnly("b");
  b_.reset();
  ExpectOnly("a");
}

}  // namespace
}  // namespace tlsbridge::e2e
