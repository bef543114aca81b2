// Every timeout flag bites. The timeouts are real and short; the tests wait for what they cause.

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

class TimeoutsTest : public TlsbridgeTest {
 protected:
  void Start(const std::vector<std::string>& arguments) {
    StartSidecar(backend_.address(), arguments);
  }
  TlsClient Open() {
    auto client = TlsClient::Open(tlsbridge().address());
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }
  void ExchangeAByte(TlsClient& client) {
    EXPECT_TRUE(client.Write("x").ok());
    EXPECT_EQ(client.ReadExactly(1).value_or("nothing"), "x");
  }
  void ExpectCloseNotify(TlsClient& client) {
    EXPECT_EQ(client.ReadToEnd().value_or("failed"), "");
    EXPECT_EQ(client.end(), TlsEnd::kCloseNotify);
  }
  std::string ReasonOfTheOnlyConnection() {
    const auto ended = tlsbridge().WaitForConnections(1);
    return ended.empty() ? "none ended" : ended[0].value("reason", "");
  }

  // Whether the kernel comes to show `timer` for a socket: others take its place while bytes are
  // not acknowledged.
  static bool ListsTimer(const std::string& filter, const std::string& timer) {
    const Deadline deadline(kPatience);
    while (deadline.PollTimeoutMilliseconds() > 0) {
      const auto sockets =
          RunToEnd({"ss", "--no-header", "--tcp", "--numeric", "--options", filter});
      EXPECT_TRUE(sockets.ok()) << sockets.status();
      if (!sockets.ok() || sockets->find(timer) != std::string::npos) return sockets.ok();
    }
    return false;
  }

  TcpBackend backend_{EchoBytes};
};

TEST_F(TimeoutsTest, HandshakeTimeoutEndsASilentClient) {
  ASSERT_NO_FATAL_FAILURE(Start({"--handshake-timeout=200ms"}));
  auto socket = Socket::Connect(tlsbridge().address());
  ASSERT_TRUE(socket.ok());
  EXPECT_EQ(socket->ReadToEnd().value_or("reset"), "");
  socket->Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "handshake_timeout");
  EXPECT_EQ(backend_.connections_accepted(), 0);
}

TEST_F(TimeoutsTest, HandshakeTimeoutEndsAClientThatStopsHalfWay) {
  ASSERT_NO_FATAL_FAILURE(Start({"--handshake-timeout=200ms"}));
  auto socket = Socket::Connect(tlsbridge().address());
  ASSERT_TRUE(socket.ok());
  ASSERT_TRUE(socket->Write("\x16\x03\x01").ok());
  EXPECT_EQ(socket->ReadToEnd().value_or("reset"), "");
  socket->Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "handshake_timeout");
}

TEST_F(TimeoutsTest, InitialDataTimeoutEndsAConnectionWithoutAByte) {
  ASSERT_NO_FATAL_FAILURE(Start({"--initial-data-timeout=200ms"}));
  TlsClient client = Open();
  ExpectCloseNotify(client);
  client.socket().Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "initial_timeout");
}

TEST_F(TimeoutsTest, InactivityTimeoutEndsAnIdleConnectionThatWasInUse) {
  ASSERT_NO_FATAL_FAILURE(Start({"--inactivity-timeout=200ms", "--initial-data-timeout=0"}));
  TlsClient client = Open();
  ExchangeAByte(client);
  ExpectCloseNotify(client);
  client.socket().Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "inactivity");
}

TEST_F(TimeoutsTest, ZeroSwitchesInactivityTimeoutOff) {
  // Were it on with its shortest value, it would come before the other.
  ASSERT_NO_FATAL_FAILURE(Start({"--inactivity-timeout=0", "--max-lifetime=300ms"}));
  TlsClient client = Open();
  ExchangeAByte(client);
  ExpectCloseNotify(client);
  client.socket().Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "max_lifetime");
}

TEST_F(TimeoutsTest, MaxLifetimeEndsAConnectionInUse) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-lifetime=200ms", "--drain-timeout=100ms"}));
  TlsClient client = Open();
  // In use until the end: each byte is sent when the last has come back.
  while (client.Write("x").ok() && client.ReadSome().value_or("") == "x") {
  }
  EXPECT_EQ(client.end(), TlsEnd::kReset) << "what was cut must look cut";
  client.socket().Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "max_lifetime");
}

TEST_F(TimeoutsTest, KeepAliveImmortalKnowsNoInactivity) {
  ASSERT_NO_FATAL_FAILURE(
      Start({"--keep-alive=immortal", "--inactivity-timeout=50ms", "--max-lifetime=400ms"}));
  TlsClient client = Open();
  ExchangeAByte(client);
  ExpectCloseNotify(client);
  client.socket().Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "max_lifetime");
}

TEST_F(TimeoutsTest, KeepAliveExtendedWarnsBeforeItEndsALongerIdleness) {
  ASSERT_NO_FATAL_FAILURE(Start({"--keep-alive=extended", "--inactivity-timeout=100ms",
                                 "--keep-alive-multiplier=4", "--keep-alive-warning=150ms"}));
  TlsClient client = Open();
  ExchangeAByte(client);
  ExpectCloseNotify(client);
  client.socket().Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "inactivity");
  const auto warning = tlsbridge().WaitForEvent("inactivity_warning");
  ASSERT_TRUE(warning);
  EXPECT_EQ((*warning)["id"], 1);
  EXPECT_GE((*warning)["idle_ms"], 240) << "four times the timeout, less the warning";
  EXPECT_GE(tlsbridge().Connections()[0]["duration_ms"], 390);
}

TEST_F(TimeoutsTest, HalfCloseTimeoutEndsABackendThatNeverAnswers) {
  std::promise<void> release;
  TcpBackend silent([&release](Socket& connection) {
    (void)connection.ReadToEnd();
    release.get_future().wait();
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(silent.address(), {"--half-close-timeout=200ms"}));
  TlsClient client = Open();
  ASSERT_TRUE(client.Write("question").ok());
  ASSERT_TRUE(client.SendCloseNotify().ok());
  EXPECT_EQ(client.ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client.end(), TlsEnd::kReset) << "an answer that never came is no empty one";
  client.socket().Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "half_close_timeout");
  release.set_value();
}

TEST_F(TimeoutsTest, CloseGraceEndsAClientThatNeverCloses) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-lifetime=100ms", "--close-grace=100ms"}));
  TlsClient client = Open();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "max_lifetime") << "while the client's socket is open";
  ExpectCloseNotify(client);
}

TEST_F(TimeoutsTest, CloseGraceIsHowLongAClientMayTakeToClose) {
  ASSERT_NO_FATAL_FAILURE(Start({"--max-lifetime=100ms", "--close-grace=1h"}));
  TlsClient client = Open();
  ExpectCloseNotify(client);
  const auto dump = tlsbridge().Dump();
  ASSERT_EQ(dump["records"].size(), 1u) << dump;
  EXPECT_EQ(dump["records"][0]["state"], "draining");
  EXPECT_EQ(dump["records"][0]["reason"], "max_lifetime");
  EXPECT_EQ(dump["records"][0]["timers"][0]["timer"], "grace");
  client.socket().Close();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "max_lifetime");
}

TEST_F(TimeoutsTest, TcpKeepaliveIsSetOnBothSides) {
  const std::string backend_port = backend_.address().substr(backend_.address().rfind(':') + 1);
  // This host, by an address that is not one of loopback.
  ASSERT_NO_FATAL_FAILURE(
      StartSidecar("0.0.0.0:" + backend_port, {"--tcp-keepalive=77s", "--unsafe-backend"}));
  TlsClient client = Open();
  ExchangeAByte(client);
  const std::string listener_port = absl::StrCat(tlsbridge().Port());
  for (const std::string& filter : {"sport = :" + listener_port, "dport = :" + backend_port}) {
    EXPECT_TRUE(ListsTimer(filter, "timer:(keepalive,1min1")) << filter;
  }
}

TEST_F(TimeoutsTest, TcpOptionsOfARouteReachItsClientsAlsoThoseThatAReloadBrings) {
  // The second route: what the first one has is not for its clients.
  const auto yaml = [this](const std::string& second) {
    std::string text = "listeners: [{address: \"127.0.0.1:0\"}]\nworkers: 1\nroutes:\n";
    for (const std::string name : {"other.test", "localhost"}) {
      const std::string idle = name == "localhost" ? second : "90s";
      absl::StrAppend(&text, "  - name: ", name, "\n    match: {domains: [", name,
                      "]}\n    tcp: {keepalive_idle: ", idle,
                      "}\n    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
                      "    backends: [{address: \"",
                      backend_.address(), "\"}]\n");
    }
    return text;
  };
  ASSERT_NO_FATAL_FAILURE(StartRun(yaml("77s")));
  const auto expect = [this](TlsClient& client, const std::string& timer) {
    sockaddr_in own = {};
    socklen_t length = sizeof(own);
    ASSERT_EQ(getsockname(client.socket().fd(), reinterpret_cast<sockaddr*>(&own), &length), 0);
    EXPECT_TRUE(ListsTimer(
        absl::StrCat("sport = :", tlsbridge().Port(), " and dport = :", ntohs(own.sin_port)),
        timer))
        << timer;
  };
  TlsClient before = Open();
  ExchangeAByte(before);
  expect(before, "timer:(keepalive,1min1");
  ASSERT_EQ(ReloadWith(yaml("770s"))["event"], "reloaded");
  TlsClient after = Open();
  ExchangeAByte(after);
  expect(after, "timer:(keepalive,12min");
  expect(before, "timer:(keepalive,1min1");
}

TEST_F(TimeoutsTest, TcpUserTimeoutEndsAConnectionWhoseClientTakesNothing) {
  TcpBackend backend(
      [](Socket& connection) { (void)connection.Write(std::string(30'000'000, 'd')); });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address(), {"--tcp-user-timeout=500ms"}));
  const TlsClient client = Open();
  EXPECT_EQ(ReasonOfTheOnlyConnection(), "etimedout");
}

// What the backend saw of a client that sent "half" and closed without a goodbye.
class TruncationTest : public TimeoutsTest {
 protected:
  void Truncate(const std::vector<std::string>& arguments,
                const std::string& address = "127.0.0.1:0") {
    std::promise<std::string> seen;
    TcpBackend backend(
        [&seen](Socket& connection) {
          const auto bytes = connection.ReadExactly(4);
          const auto rest = connection.ReadToEnd();
          const std::string end = rest.ok() ? "fin" : strerrorname_np(connection.last_errno());
          seen.set_value(absl::StrCat(bytes.value_or("nothing"), ", then ", end));
        },
        address);
    ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address(), arguments));
    TlsClient client = Open();
    // Not close(): that would be a reset, since the client has not read its session ticket.
    ASSERT_TRUE(client.Write("half").ok());
    client.socket().ShutdownWrite();
    seen_ = seen.get_future().get();
    client.socket().Close();
    reason_ = ReasonOfTheOnlyConnection();
  }

  std::string seen_;
  std::string reason_;
};

TEST_F(TruncationTest, CutsTheBackendOffByDefault) {
  ASSERT_NO_FATAL_FAILURE(Truncate({}));
  EXPECT_EQ(seen_, "half, then ECONNRESET");
  EXPECT_EQ(reason_, "truncated");
}

TEST_F(TruncationTest, OverAUnixSocketIsAnEndLikeAnyOtherAndTheStartSaysSo) {
  ASSERT_NO_FATAL_FAILURE(Truncate({}, absl::StrCat("unix:", dir().PathOf("backend"))));
  EXPECT_EQ(seen_, "half, then fin");
  EXPECT_EQ(reason_, "truncated");
  EXPECT_TRUE(tlsbridge().WaitForEvent("unix_backend_cannot_see_truncation"));
}

TEST_F(TruncationTest, OfClientsThatWereOwedNothingIsNoWarningAndHintedAtOnce) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  for (int i = 0; i < 2; ++i) {
    TlsClient client = Open();
    ExchangeAByte(client);
    client.socket().ShutdownWrite();
    EXPECT_EQ(client.ReadToEnd().value_or("failed"), "");
    client.socket().Close();
  }
  for (const auto& end : tlsbridge().WaitForConnections(2)) {
    EXPECT_EQ(end["reason"], "truncated") << end;
    EXPECT_EQ(end["level"], "info") << end;
  }
  EXPECT_EQ(tlsbridge().Events("client_without_close_notify").size(), 1u);
}

TEST_F(TruncationTest, IsPassedOnAsAnEndWhenToldSo) {
  ASSERT_NO_FATAL_FAILURE(Truncate({"--truncation=fin"}));
  EXPECT_EQ(seen_, "half, then fin");
  EXPECT_EQ(reason_, "closed_incoming");
}

}  // namespace
}  // namespace tlsbridge::e2e
