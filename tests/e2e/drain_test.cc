// SIGTERM and SIGINT with connections open: who is let finish, who is ended, and when.

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/e2e/harness/payload.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

// More than all buffers on the way hold, so that a client which does not read keeps it under way.
constexpr size_t kDownloadBytes = 24'000'000;

// "get\n" is answered with a download and the end of the stream; anything else comes back.
void Serve(Socket& connection) {
  while (true) {
    const auto command = connection.ReadUntil("\n");
    if (!command.ok()) return;
    if (*command == "get\n") {
      (void)connection.Write(Payload(kDownloadBytes));
      return;
    }
    if (!connection.Write(*command).ok()) return;
  }
}

class DrainTest : public TlsbridgeTest, public testing::WithParamInterface<int> {
 protected:
  void Start(const std::vector<std::string>& arguments) {
    StartSidecar(backend_.address(), arguments);
  }
  TlsClient Open() {
    auto client = TlsClient::Open(tlsbridge().address());
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }
  TlsClient OpenIdle() {
    TlsClient client = Open();
    EXPECT_TRUE(client.Write("hello\n").ok());
    EXPECT_EQ(client.ReadExactly(6).value_or("nothing"), "hello\n");
    return client;
  }
  // With the first bytes of the download read, and the rest waiting for us to read.
  TlsClient OpenBusy() {
    TlsClient client = Open();
    EXPECT_TRUE(client.Write("get\n").ok());
    const auto start = client.ReadExactly(1);
    EXPECT_TRUE(start.ok()) << start.status();
    return client;
  }
  void SendSignal(int signal) { tlsbridge().process().SendSignal(signal); }
  void Terminate() { SendSignal(GetParam()); }
  bool ListenersAreClosed() { return tlsbridge().WaitForEvent("draining").has_value(); }
  void ExpectReasons(const std::map<std::string, int>& expected) {
    EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
    EXPECT_EQ(tlsbridge().Stop(), 0);
    EXPECT_EQ((tlsbridge().summary()["reasons"].get<std::map<std::string, int>>()), expected);
  }

  TcpBackend backend_{Serve};
};

TEST_P(DrainTest, WithNoConnectionItEndsAtOnce) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-timeout=1h"}));
  Terminate();
  ExpectReasons({});
}

TEST_P(DrainTest, AnIdleConnectionEndsWithCloseNotifyLongBeforeTheDeadline) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-timeout=1h"}));
  TlsClient client = OpenIdle();
  Terminate();
  EXPECT_EQ(client.ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client.end(), TlsEnd::kCloseNotify);
  client.socket().Close();
  ExpectReasons({{"shutdown", 1}});
}

TEST_P(DrainTest, ADownloadUnderWayIsLetFinish) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-timeout=1h"}));
  TlsClient client = OpenBusy();
  TlsClient idle = OpenIdle();
  Terminate();
  ASSERT_TRUE(ListenersAreClosed());
  EXPECT_EQ(idle.ReadToEnd().value_or("failed"), "");  // Others have been drained by now.
  idle.socket().Close();
  const auto rest = client.ReadToEnd();
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(Checksum(*rest), Checksum(Payload(kDownloadBytes).substr(1)));
  EXPECT_EQ(client.end(), TlsEnd::kCloseNotify);
  ASSERT_TRUE(client.SendCloseNotify().ok());
  client.socket().Close();
  ExpectReasons({{"closed_outgoing", 1}, {"shutdown", 1}});
}

TEST_P(DrainTest, ASecondSignalHasNoPatienceWhateverTheGrace) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-timeout=1h", "--close-grace=1h"}));
  TlsClient client = OpenBusy();
  Terminate();
  ASSERT_TRUE(ListenersAreClosed());
  Terminate();
  ExpectReasons({{"shutdown", 1}});
}

TEST_P(DrainTest, WhatIsLeftAtTheDeadlineEndsAsShutdown) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-timeout=300ms", "--close-grace=100ms"}));
  TlsClient client = OpenBusy();
  Terminate();
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
  // The client read nothing, so that its end of the stream is lost: that must not look complete.
  const auto rest = client.ReadToEnd();
  EXPECT_NE(client.end(), TlsEnd::kCloseNotify);
  ExpectReasons({{"shutdown", 1}});
}

// An answer and a request that both trickle on: at the deadline neither peer may believe that it
// has all.
TEST_P(DrainTest, WhatTricklesAtTheDeadlineLooksCutOnBothSides) {
  std::promise<std::string> seen;
  TcpBackend backend([&seen](Socket& connection) {
    (void)connection.ReadExactly(1);
    while (connection.Write("y").ok() && connection.ReadExactly(1).ok()) {
    }
    seen.set_value(strerrorname_np(connection.last_errno()));
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address(), {"--drain-timeout=300ms"}));
  TlsClient client = Open();
  std::thread asks([&client] {
    while (client.Write("x").ok() && client.ReadExactly(1).ok()) {
    }
  });
  Terminate();
  asks.join();
  EXPECT_TRUE(client.end() == TlsEnd::kReset || client.end() == TlsEnd::kOpen /* a write met it */);
  const std::string error = seen.get_future().get();
  EXPECT_TRUE(error == "ECONNRESET" || error == "EPIPE") << error;
  ExpectReasons({{"shutdown", 1}});
}

TEST_P(DrainTest, AClientInItsHandshakeIsServedWhileThereIsTime) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-timeout=1h"}));
  auto client = TlsClient::Connect(tlsbridge().address());
  ASSERT_TRUE(client.ok());
  Terminate();
  ASSERT_TRUE(ListenersAreClosed());
  ASSERT_TRUE(client->Handshake().ok());
  ASSERT_TRUE(client->Write("get\n").ok());
  const auto download = client->ReadToEnd();
  ASSERT_TRUE(download.ok()) << download.status();
  EXPECT_EQ(download->size(), kDownloadBytes);
  ASSERT_TRUE(client->SendCloseNotify().ok());
  client->socket().Close();
  ExpectReasons({{"closed_outgoing", 1}});
}

TEST_P(DrainTest, NewConnectionsAreRefusedOnceTheListenersAreClosed) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-timeout=1h"}));
  TlsClient client = OpenBusy();
  Terminate();
  ASSERT_TRUE(ListenersAreClosed());
  const auto refused = Socket::Connect(tlsbridge().address());
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();  // ECONNREFUSED
  client.socket().Reset();
  ExpectReasons({{"econnreset", 1}});
}

TEST_P(DrainTest, DrainDelayKeepsAcceptingAndServing) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-delay=1h", "--drain-timeout=1h"}));
  TlsClient old = OpenIdle();
  Terminate();
  ASSERT_TRUE(tlsbridge().WaitForEvent("terminating"));
  TlsClient late = OpenIdle();
  EXPECT_TRUE(old.Write("again\n").ok());
  EXPECT_EQ(old.ReadExactly(6).value_or("nothing"), "again\n");
  SendSignal(SIGTERM);  // Nobody has an hour.
  EXPECT_EQ(old.ReadToEnd().value_or("failed"), "");
  EXPECT_NE(old.end(), TlsEnd::kOpen);
  EXPECT_EQ(late.ReadToEnd().value_or("failed"), "");
  old.socket().Close();
  late.socket().Close();
  ExpectReasons({{"shutdown", 2}});
}

TEST_P(DrainTest, DrainDelayEndsAndThenItDrains) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-delay=200ms", "--drain-timeout=1h"}));
  TlsClient client = OpenIdle();
  Terminate();
  ASSERT_TRUE(ListenersAreClosed());
  EXPECT_EQ(client.ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client.end(), TlsEnd::kCloseNotify);
  client.socket().Close();
  ExpectReasons({{"shutdown", 1}});
}

TEST_P(DrainTest, ASecondSignalEndsABusyConnectionAtOnce) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-timeout=1h", "--close-grace=100ms"}));
  TlsClient client = OpenBusy();
  Terminate();
  ASSERT_TRUE(ListenersAreClosed());
  Terminate();
  ExpectReasons({{"shutdown", 1}});
}

TEST_P(DrainTest, SighupDoesNoHarmWhileDraining) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-timeout=1h"}));
  TlsClient client = OpenBusy();
  Terminate();
  ASSERT_TRUE(ListenersAreClosed());
  SendSignal(SIGHUP);
  ASSERT_TRUE(tlsbridge().WaitForEvent("reload_refused"));
  EXPECT_EQ(tlsbridge().Dump()["records"].size(), 1u);
  const auto rest = client.ReadToEnd();
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->size(), kDownloadBytes - 1);
  client.socket().Close();
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
}

INSTANTIATE_TEST_SUITE_P(Signals, DrainTest, testing::Values(SIGTERM, SIGINT),
                         [](const auto& info) {
                           return info.param == SIGTERM ? "Sigterm" : "Sigint";
                         });

// ---- --exit-with. The sandbox is on.

TEST_F(DrainTest, WhenItsJobEndsItLetsConnectionsFinishAndHasTheJobsExitCode) {
  std::promise<void> done;
  TcpBackend job(
      [ended = done.get_future().share()](Socket& connection) {
        ended.wait();
        (void)connection.Write("3\n");
      },
      "unix:" + dir().PathOf("job"));
  Start({"--exit-with=unix:" + dir().PathOf("job"), "--drain-timeout=10m"});
  TlsClient busy = OpenBusy();
  done.set_value();
  const auto event = tlsbridge().WaitForEvent("job_ended");
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ((*event)["exit_code"], 3);
  ASSERT_TRUE(tlsbridge().WaitForEvent("draining").has_value());
  EXPECT_EQ(busy.ReadToEnd().value_or("").size(), kDownloadBytes - 1);
  ASSERT_TRUE(busy.SendCloseNotify().ok());
  busy.socket().Close();
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 3);
  ForgetTlsbridge();
}

TEST_F(DrainTest, TheExitCodeOfAJobThatItsShellHasStartedIsItsOwn) {
  const std::string original = std::filesystem::canonical(std::getenv("TLSBRIDGE_BINARY"));
  const std::string fifo = dir().PathOf("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::string shell =
      dir().WriteFile("job", "#!/bin/sh\n(read line < " + fifo + "; exit 7) &\nexec " + original +
                                 " \"$@\" --exit-with $!\n");
  ASSERT_EQ(chmod(shell.c_str(), 0755), 0);
  setenv("TLSBRIDGE_BINARY", shell.c_str(), 1);
  Start({});
  setenv("TLSBRIDGE_BINARY", original.c_str(), 1);
  OpenIdle();
  std::ofstream(fifo) << "end\n";
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 7);
  EXPECT_TRUE(tlsbridge().WaitForEvent("job_ended").has_value());
  ForgetTlsbridge();
}

TEST_F(DrainTest, IdleForSoLongItEndsAndNotBefore) {
  Start({"--exit-with=idle:3s"});
  OpenIdle();
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
  const auto events = tlsbridge().Events("job_ended");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["message"], "no connection was open for 3s");
  EXPECT_EQ(tlsbridge().Events("connection_end").size(), 1U);
  ForgetTlsbridge();
}

}  // namespace
}  // namespace tlsbridge::e2e
