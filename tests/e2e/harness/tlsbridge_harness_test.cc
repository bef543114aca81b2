// The harness with fake_tlsbridge.py in place of the program.

#include <signal.h>

#include <string>
#include <vector>

#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tlsbridge_test.h"

namespace tlsbridge::e2e {
namespace {

class TlsbridgeHarnessTest : public TlsbridgeTest {
 protected:
  void SetUp() override { ExpectOtherLog(); }
};

TEST_F(TlsbridgeHarnessTest, KnowsTheListenersOnceItIsReady) {
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge({.listen = {"127.0.0.1:0", "127.0.0.1:0"}}));
  ASSERT_EQ(tlsbridge().addresses().size(), 2u);
  EXPECT_EQ(tlsbridge().address(), "127.0.0.1:40004");
  EXPECT_EQ(tlsbridge().Port(1), 40006);
}

TEST_F(TlsbridgeHarnessTest, SidecarGetsBackendAndCertificate) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar("127.0.0.1:1", {"--verbose"}));
  const auto start = tlsbridge().WaitForEvent("start");
  ASSERT_TRUE(start);
  const std::vector<std::string> expected = {"sidecar",
                                             "--log-format",
                                             "json",
                                             "--listen",
                                             "127.0.0.1:0",
                                             "--backend",
                                             "127.0.0.1:1",
                                             "--cert",
                                             dir().PathOf("localhost.crt"),
                                             "--key",
                                             dir().PathOf("localhost.key"),
                                             "--verbose"};
  EXPECT_EQ((*start)["arguments"], expected);
}

TEST_F(TlsbridgeHarnessTest, ConnectionsAreThoseThatEnded) {
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge({}));
  EXPECT_TRUE(tlsbridge().Connections().empty());
  for (int id = 1; id <= 3; ++id) {
    tlsbridge().process().SendSignal(SIGUSR2);
    EXPECT_TRUE(tlsbridge().WaitForEvent("connection_end",
                                         [id](const auto& event) { return event["id"] == id; }));
  }
  EXPECT_EQ(tlsbridge().WaitForConnections(2).size(), 2u);
  EXPECT_EQ(tlsbridge().Connections().size(), 3u);
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(tlsbridge().summary()["reasons"]["normal"], 3);
}

TEST_F(TlsbridgeHarnessTest, EveryDumpIsANewOne) {
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge({}));
  EXPECT_EQ(tlsbridge().Dump()["live"]["queued_bytes"], 0);
  EXPECT_TRUE(tlsbridge().Dump()["records"].empty());
}

TEST_F(TlsbridgeHarnessTest, WaitEndsWithTheProgram) {
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge({}));
  tlsbridge().process().SendSignal(SIGKILL);
  EXPECT_FALSE(tlsbridge().WaitForEvent(
      "never", [](const auto&) { return true; }, absl::InfiniteDuration()));
  EXPECT_TRUE(tlsbridge().Dump().is_null());
  EXPECT_EQ(tlsbridge().Stop(), 128 + SIGKILL);
  ForgetTlsbridge();
}

TEST_F(TlsbridgeHarnessTest, SaysWhatTheProgramWroteWhenItDoesNotStart) {
  const auto started = Tlsbridge::Start({.environment = {{"FAKE_EXIT", "2"}}});
  EXPECT_NE(started.status().message().find("bad flag"), std::string::npos) << started.status();
}

TEST_F(TlsbridgeHarnessTest, TearDownNoticesALeak) {
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge({.environment = {{"FAKE_LEAK", "1"}}}));
  EXPECT_NONFATAL_FAILURE(TearDown(), "sockets left alive");
  ForgetTlsbridge();
}

}  // namespace
}  // namespace tlsbridge::e2e
