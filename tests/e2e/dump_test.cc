// SIGUSR1 logs every live connection: what it is doing, what is queued, and who waits for whom.
// SIGHUP does no harm.

#include <signal.h>

#include <future>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::Contains;

class DumpTest : public TlsbridgeTest {
 protected:
  TlsClient Open(const TlsClientOptions& options = {}) {
    auto client = TlsClient::Open(tlsbridge().address(), options);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }
  // The first dump in which the only connection is as `predicate` wants it; null if none comes.
  template <typename Predicate>
  nlohmann::json DumpUntil(Predicate predicate) {
    const Deadline deadline(kPatience);
    while (deadline.PollTimeoutMilliseconds() > 0) {
      nlohmann::json dump = tlsbridge().Dump();
      if (dump.is_null()) return dump;
      if (dump["records"].size() == 1 && predicate(dump["records"][0])) return dump;
    }
    return nullptr;
  }
};

TEST_F(DumpTest, SaysWhatAnIdleConnectionIs) {
  TcpBackend backend(EchoBytes);
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  TlsClient client = Open({.server_name = "name.example"});
  ASSERT_TRUE(client.Write("hello").ok());
  ASSERT_TRUE(client.ReadExactly(5).ok());
  const nlohmann::json dump = tlsbridge().Dump();
  EXPECT_EQ(dump["live"]["records"], 1);
  EXPECT_EQ(dump["live"]["sockets"], 2);
  EXPECT_EQ(dump["live"]["timers"], 1);
  EXPECT_EQ(dump["live"]["queued_bytes"], 0);
  ASSERT_EQ(dump["records"].size(), 1u);
  const nlohmann::json& record = dump["records"][0];
  EXPECT_EQ(record["id"], 1);
  EXPECT_EQ(record["listener"], tlsbridge().address());
  EXPECT_EQ(record["backend"], backend.address());
  EXPECT_EQ(record["state"], "bridging");
  EXPECT_GE(record["age_seconds"], 0);
  EXPECT_GE(record["age_seconds"], record["idle_seconds"]);
  EXPECT_EQ(record["bytes_received"], 5);
  EXPECT_EQ(record["bytes_sent"], 5);
  EXPECT_TRUE(record["client_reads_paused"].empty());
  EXPECT_TRUE(record["backend_reads_paused"].empty());
  ASSERT_EQ(record["timers"].size(), 1u);
  EXPECT_EQ(record["timers"][0]["timer"], "deadline");
  EXPECT_GT(record["timers"][0]["in_seconds"], 0);
  EXPECT_EQ(record["tls"], "TLSv1.3");
  EXPECT_EQ(record["sni"], "name.example");
}

TEST_F(DumpTest, ShowsAClientThatStallsAndTheBackendThatWaitsForIt) {
  TcpBackend backend([](Socket& connection) {
    if (connection.ReadExactly(1).ok()) (void)connection.Write(std::string(30'000'000, 'd'));
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  TlsClient client = Open();
  ASSERT_TRUE(client.Write("x").ok());
  const nlohmann::json dump = DumpUntil([](const nlohmann::json& record) {
    return !record["backend_reads_paused"].empty() && record["queued_to_client"] > 0;
  });
  ASSERT_FALSE(dump.is_null()) << "the backend was never paused";
  const nlohmann::json& record = dump["records"][0];
  EXPECT_THAT(record["backend_reads_paused"], Contains("other_side_full"));
  EXPECT_TRUE(record["client_reads_paused"].empty());
  EXPECT_EQ(dump["live"]["queued_bytes"], record["queued_to_client"]);
  EXPECT_LT(record["queued_to_client"], 1'000'000) << "memory is bounded";
  client.socket().Reset();
}

TEST_F(DumpTest, ShowsABackendThatStallsAndTheClientThatWaitsForIt) {
  std::promise<void> release;
  TcpBackend backend([&release](Socket&) { release.get_future().wait(); });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  TlsClient client = Open();
  client.socket().set_timeout(absl::Milliseconds(200));
  // Until nothing on the way takes more.
  while (client.Write(std::string(16'000, 'u')).ok()) {
  }
  const nlohmann::json dump = DumpUntil([](const nlohmann::json& record) {
    return !record["client_reads_paused"].empty() && record["queued_to_backend"] > 0;
  });
  ASSERT_FALSE(dump.is_null()) << "the client was never paused";
  const nlohmann::json& record = dump["records"][0];
  EXPECT_THAT(record["client_reads_paused"], Contains("other_side_full"));
  EXPECT_LT(record["queued_to_backend"], 1'000'000) << "memory is bounded";
  release.set_value();
}

TEST_F(DumpTest, ShowsAConnectionInItsHandshakeAndOneThatIsHalfClosed) {
  std::promise<void> release;
  TcpBackend backend([&release](Socket& connection) {
    (void)connection.ReadToEnd();
    release.get_future().wait();
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  {
    auto socket = Socket::Connect(tlsbridge().address());
    ASSERT_TRUE(socket.ok());
    const nlohmann::json dump = DumpUntil([](const auto&) { return true; });
    ASSERT_FALSE(dump.is_null());
    EXPECT_EQ(dump["records"][0]["state"], "peeking");
    EXPECT_EQ(dump["live"]["sockets"], 1);
  }
  ASSERT_TRUE(tlsbridge().Dump().is_object());
  TlsClient client = Open();
  ASSERT_TRUE(client.SendCloseNotify().ok());
  const nlohmann::json dump =
      DumpUntil([](const auto& record) { return record["state"] == "half-closed"; });
  ASSERT_FALSE(dump.is_null());
  EXPECT_EQ(dump["records"][0]["timers"][0]["timer"], "deadline");
  release.set_value();
}

TEST_F(DumpTest, SighupLeavesConnectionsAndListenersAlone) {
  TcpBackend backend(EchoBytes);
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  TlsClient client = Open();
  for (int i = 0; i < 3; ++i) tlsbridge().process().SendSignal(SIGHUP);
  ASSERT_TRUE(tlsbridge().WaitForEvent("reloaded"));
  ASSERT_TRUE(client.Write("hello").ok());
  EXPECT_EQ(client.ReadExactly(5).value_or("nothing"), "hello");
  Open();
}

}  // namespace
}  // namespace tlsbridge::e2e
