// Each flow is a connection: in the log with its bytes and how it ended, in the dump while it is
// open, and counted against the limits of its route.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/support/kernel_test.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

class KernelFlowsTest : public KernelTest {
 protected:
  void Start(const std::vector<std::string>& route = {}) {
    Serve(11);
    ASSERT_NO_FATAL_FAILURE(KernelTest::Start(Config({11}, route)));
  }
  // What a client that the kernel has not taken gets for its ClientHello; empty for nothing.
  std::string AnswerTo(absl::StatusOr<Socket> client) {
    if (!client.ok() || !client->Write(ClientHello() + "\n").ok()) return "";
    return client->ReadUntil("\n").value_or("");
  }
  // What connection tracking counted of the client's port.
  std::vector<int64_t> Tracked(const std::string& port) {
    const std::string line =
        OnRouter(absl::StrCat("grep sport=", port, " /proc/net/nf_conntrack")).output;
    std::vector<int64_t> bytes;
    for (size_t at = line.find("bytes="); at != std::string::npos;
         at = line.find("bytes=", at + 1)) {
      bytes.push_back(std::stoll(line.substr(at + 6)));
    }
    return bytes;
  }
  // Of the admin server.
  nlohmann::json Asked(const std::string& path) {
    net().router.Enter();
    auto admin = Socket::Connect("127.0.0.1:9901");
    if (!admin.ok()) return nullptr;
    if (!admin->Write("GET " + path + " HTTP/1.0\r\n\r\n").ok()) {
      return nullptr;
    }
    const std::string answer = admin->ReadToEnd().value_or("");
    const size_t body = answer.find("\r\n\r\n");
    if (body == std::string::npos) return nullptr;
    return nlohmann::json::parse(answer.substr(body + 4), nullptr, /*allow_exceptions=*/false);
  }
  // The line of the connection that ends after those that this was asked for before.
  nlohmann::json NextEnd() {
    const auto ends = tlsbridge().WaitForEvents("connection_end", ++ends_);
    return ends.size() < ends_ ? nlohmann::json::object() : ends[ends_ - 1];
  }
  static std::string PortOf(const nlohmann::json& end) {
    const std::string peer = end["peer"];
    return peer.substr(peer.rfind(':') + 1);
  }

  size_t ends_ = 0;
};

TEST_F(KernelFlowsTest, AFlowLeavesTheLineOfAConnectionWithTheBytesOfConnectionTracking) {
  ASSERT_NO_FATAL_FAILURE(Start());
  Talk talk = Open();
  ASSERT_TRUE(talk.Talks());
  talk.socket->Close();
  const nlohmann::json end = EndFor("closed_incoming");
  EXPECT_EQ(end.value("engine", ""), "nftables");
  EXPECT_THAT(end.value("peer", ""), HasSubstr("10.7.1.2:"));
  EXPECT_EQ(end.value("listener", ""), kListener);
  EXPECT_EQ(end.value("route", ""), "mail");
  EXPECT_EQ(end.value("backend", ""), "10.7.2.11:9001");
  EXPECT_EQ(end.value("incoming", ""), "normal");
  EXPECT_EQ(end.value("outgoing", ""), "socket_end");
  EXPECT_GT(end.value("id", uint64_t{0}), 0u);
  EXPECT_GT(end.value("duration_ms", 0.0), 0.0);
  const std::vector<int64_t> tracked = Tracked(PortOf(end));
  ASSERT_EQ(tracked.size(), 2u);
  EXPECT_EQ(end.value("ip_bytes_received", 0), tracked[0]);
  EXPECT_EQ(end.value("ip_bytes_sent", 0), tracked[1]);
}

TEST_F(KernelFlowsTest, AnOpenFlowIsListedAndCounted) {
  ASSERT_NO_FATAL_FAILURE(Start());
  Talk talk = Open();
  ASSERT_EQ(talk.backend, "11");
  const nlohmann::json dump = tlsbridge().Dump();
  ASSERT_EQ(dump["records"].size(), 1u) << dump;
  EXPECT_EQ(dump["live"]["records"], 1);
  EXPECT_EQ(dump["records"][0]["engine"], "nftables");
  EXPECT_EQ(dump["records"][0]["state"], "bridging");
  EXPECT_EQ(dump["records"][0]["backend"], "10.7.2.11:9001");
  EXPECT_GT(dump["records"][0]["ip_bytes_received"], 0);
  talk.socket->Close();
  ASSERT_FALSE(EndFor("closed_incoming").empty());
  EXPECT_EQ(tlsbridge().Dump()["live"]["records"], 0);
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(tlsbridge().summary()["reasons"]["closed_incoming"], 1);
}

TEST_F(KernelFlowsTest, TheAdminServerKnowsThem) {
  Serve(11);
  ASSERT_NO_FATAL_FAILURE(
      KernelTest::Start(Config({11}, {}, {"admin: {address: '127.0.0.1:9901'}"})));
  Talk talk = Open();
  ASSERT_EQ(talk.backend, "11");
  ASSERT_EQ(tlsbridge().Dump()["live"]["records"], 1);  // it has heard of it
  const nlohmann::json route = Asked("/routes")["routes"][0];
  EXPECT_EQ(route["connections"], 1) << route;
  EXPECT_GT(route.value("ip_bytes_received", 0), 0) << route;
  EXPECT_EQ(route["backends"][0]["connections"], 1) << route;
  const nlohmann::json connections = Asked("/connections");
  ASSERT_EQ(connections["records"].size(), 1u) << connections;
  EXPECT_EQ(connections["records"][0]["engine"], "nftables");
}

TEST_F(KernelFlowsTest, ByIPv6TheyAreTheSame) {
  net().backend.Enter();
  const TcpBackend backend(EchoLines, "[fd07:2::11]:9001");
  std::string yaml = Config({11});
  yaml.replace(yaml.find(kListener), sizeof(kListener) - 1, "[fd07:1::1]:443");
  yaml.replace(yaml.find("10.7.2.11:9001"), 14, "[fd07:2::11]:9001");
  ASSERT_NO_FATAL_FAILURE(KernelTest::Start(yaml));
  Talk talk = Open("", "[fd07:1::1]:443");
  EXPECT_EQ(talk.backend, "who") << "comes back";
  talk.socket->Close();
  const nlohmann::json end = EndFor("closed_incoming");
  EXPECT_EQ(end.value("engine", ""), "nftables");
  EXPECT_THAT(end.value("peer", ""), HasSubstr("[fd07:1::2]:"));
  EXPECT_EQ(end.value("listener", ""), "[fd07:1::1]:443");
  EXPECT_EQ(end.value("backend", ""), "[fd07:2::11]:9001");
}

TEST_F(KernelFlowsTest, TheBackendsEndAndResetsHaveTheirReasons) {
  ASSERT_NO_FATAL_FAILURE(Start());
  Talk left = Open();
  ASSERT_TRUE(left.socket->Write("bye\n").ok());
  EXPECT_EQ(*left.socket->ReadToEnd(), "bye\n");
  left.socket->Close();
  const nlohmann::json end = EndFor("closed_outgoing");
  EXPECT_EQ(end.value("incoming", ""), "proxy_end");
  EXPECT_EQ(end.value("outgoing", ""), "normal");
  Talk reset = Open();
  ASSERT_EQ(reset.backend, "11");
  reset.socket->Reset();
  EXPECT_FALSE(EndFor("econnreset").empty());
}

TEST_F(KernelFlowsTest, SilenceEndsAFlowByTheTimeoutsOfItsRoute) {
  ASSERT_NO_FATAL_FAILURE(Start({"timeouts: {inactivity: 1s, half_close: 1s}"}));
  Talk silent = Open();
  // The backend ends its stream and the client does not. Behind bytes that nobody has acknowledged
  // yet, FIN would soon be sent twice, which connection tracking takes for those of both sides.
  Talk half_closed = Open();
  ASSERT_TRUE(half_closed.socket->Write("leave\n").ok());
  EXPECT_FALSE(EndFor("inactivity").empty());
  EXPECT_FALSE(EndFor("half_close_timeout").empty());
  EXPECT_EQ(tlsbridge().Events("connection_end").size(), 2u);
}

TEST_F(KernelFlowsTest, AFlowThatIsTooOldIsEnded) {
  ASSERT_NO_FATAL_FAILURE(Start({"timeouts: {max_lifetime: 500ms}"}));
  Talk talk = Open();
  ASSERT_EQ(talk.backend, "11");
  EXPECT_FALSE(EndFor("max_lifetime").empty());
  EXPECT_FALSE(talk.Talks());
}

TEST_F(KernelFlowsTest, DeniedClientsReachTheProgramWhichSaysWhy) {
  ASSERT_NO_FATAL_FAILURE(Start({"deny_ip: [10.7.1.4]"}));
  EXPECT_EQ(AnswerTo(Dial("10.7.1.4")), "");
  const nlohmann::json end = EndFor("denied");
  EXPECT_EQ(end.value("route", ""), "mail");
  EXPECT_FALSE(end.contains("engine"));
  EXPECT_EQ(Open("10.7.1.3").backend, "11");
}

TEST_F(KernelFlowsTest, LocalClientsAreForwardedByTheProgram) {
  ASSERT_NO_FATAL_FAILURE(Start());
  net().router.Enter();
  EXPECT_NE(AnswerTo(Socket::Connect(kListener)), "");
  EXPECT_FALSE(EndFor("closed_incoming").contains("engine"));
}

TEST_F(KernelFlowsTest, OnEveryAddressOnlyClientsOfLoopbackAreTheProgramsOwn) {
  Serve(11);
  net().backend.Enter();
  const TcpBackend by_ipv6(EchoLines, "[fd07:2::11]:9001");
  std::string yaml = Config({11});
  yaml.replace(yaml.find("[{"), 2, "[{address: '[::]:443'}, {");
  yaml.replace(yaml.find("10.7.1.1"), 8, "0.0.0.0");
  absl::StrAppend(&yaml, "  - {address: '[fd07:2::11]:9001'}\n");
  ASSERT_NO_FATAL_FAILURE(KernelTest::Start(yaml));
  for (const std::string to : {"127.0.0.1:443", "127.9.9.9:443", "10.7.1.1:443", "[::1]:443"}) {
    net().router.Enter();
    EXPECT_NE(AnswerTo(Socket::Connect(to)), "") << to;
    const nlohmann::json end = NextEnd();
    EXPECT_EQ(end.value("route", ""), "mail") << to;
    EXPECT_FALSE(end.contains("engine")) << to;
  }
  for (const std::string to : {"10.7.1.1:443", "10.7.2.1:443"}) {
    Talk talk = Open("10.7.1.2", to);
    EXPECT_EQ(talk.backend, "11") << to;
    EXPECT_EQ(tlsbridge().Dump()["live"]["records"], 1) << to;
    talk.socket->Close();
    EXPECT_EQ(NextEnd().value("engine", ""), "nftables") << to;
  }
}

TEST_F(KernelFlowsTest, RoutesOfRangesOfPortsHaveTheClientsOfTheirPorts) {
  Serve(11);
  Serve(12);
  std::string yaml = Config({11}, {"match: {ports: [7000-7001, 7443]}"});
  absl::StrAppend(&yaml,
                  "- name: web\n"
                  "  match: {ports: [7002-7003]}\n"
                  "  forwarding_engine: nftables\n"
                  "  tls: {mode: passthrough}\n"
                  "  backends: [{address: '10.7.2.12:9001'}]\n"
                  "- name: rest\n"
                  "  tls: {mode: passthrough}\n"
                  "  backends: [{address: '10.7.2.12:9001'}]\n");
  const std::string first = "{address: '10.7.1.1:443'}";
  std::string listeners = first;
  for (const int port : {7000, 7001, 7002, 7003, 7004, 7443}) {
    absl::StrAppend(&listeners, ", {address: '10.7.1.1:", port, "'}");
  }
  yaml.replace(yaml.find(first), first.size(), listeners);
  ASSERT_NO_FATAL_FAILURE(KernelTest::Start(yaml));
  const auto served = [this](int port) {
    return Open("10.7.1.2", absl::StrCat("10.7.1.1:", port)).backend;
  };
  for (const int port : {7000, 7001, 7443}) {
    EXPECT_EQ(served(port), "11") << port;
    EXPECT_EQ(NextEnd().value("route", ""), "mail") << port;
  }
  for (const int port : {7002, 7003}) {
    EXPECT_EQ(served(port), "12") << port;
    EXPECT_EQ(NextEnd().value("route", ""), "web") << port;
  }
  for (const int port : {443, 7004}) {
    EXPECT_NE(AnswerTo(Dial("10.7.1.2", absl::StrCat("10.7.1.1:", port))), "") << port;
    const nlohmann::json end = NextEnd();
    EXPECT_EQ(end.value("route", ""), "rest") << port;
    EXPECT_FALSE(end.contains("engine")) << port;
  }
}

TEST_F(KernelFlowsTest, WhoWasMissedIsRefusedIfTheRouteSaysSo) {
  ASSERT_NO_FATAL_FAILURE(Start({"kernel: {missed: refuse}"}));
  net().router.Enter();
  EXPECT_EQ(AnswerTo(Socket::Connect(kListener)), "");
  EXPECT_FALSE(EndFor("nftables_handled").empty());
  EXPECT_EQ(Open().backend, "11");
}

TEST_F(KernelFlowsTest, OverTheLimitOfTheRouteTheProgramSaysWhy) {
  ASSERT_NO_FATAL_FAILURE(Start({"limits: {connections: 2}"}));
  Talk first = Open();
  Talk second = Open();
  ASSERT_EQ(second.backend, "11");
  ASSERT_EQ(tlsbridge().Dump()["live"]["records"], 2);  // it has heard of both
  EXPECT_EQ(AnswerTo(Dial()), "");
  EXPECT_FALSE(EndFor("route_limit").contains("engine"));
  EXPECT_TRUE(first.Talks());
}

TEST_F(KernelFlowsTest, ABackendReachesItselfThroughTheProgramsAddress) {
  Serve(11);
  std::string yaml = Config({11});
  yaml.replace(yaml.find("10.7.1.1"), 8, "0.0.0.0");
  ASSERT_NO_FATAL_FAILURE(KernelTest::Start(yaml));
  net().backend.Enter();
  auto hairpin = Socket::Connect("10.7.2.1:443", "10.7.2.11");
  net().router.Enter();
  ASSERT_TRUE(hairpin.ok()) << hairpin.status();
  ASSERT_TRUE(hairpin->Write("who\n").ok());
  EXPECT_EQ(hairpin->ReadUntil("\n").value_or(""), "11\n");
  hairpin->Close();
  EXPECT_EQ(EndFor("closed_incoming").value("engine", ""), "nftables");
}

}  // namespace
}  // namespace tlsbridge::e2e
