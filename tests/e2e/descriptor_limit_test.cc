// Few descriptors: the budget is told, what is beyond it is refused, and the program goes on.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

class DescriptorLimitTest : public TlsbridgeTest {
 protected:
  void StartWithDescriptors(int descriptors, const std::vector<std::string>& more = {}) {
    const CertificateFiles files = certificates().Issue();
    std::vector<std::string> arguments = {
        "--backend", backend_.address(), "--cert",           files.certificate,
        "--key",     files.key,          "--log-level=debug"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    StartTlsbridge({.subcommand = "sidecar",
                    .listen = {"127.0.0.1:0"},
                    .arguments = std::move(arguments),
                    .environment = {},
                    .wrapper = {"prlimit", absl::StrCat("--nofile=", descriptors)}});
  }
  void SetSoftLimit(int descriptors) {
    const auto set = RunToEnd({"prlimit", absl::StrCat("--pid=", tlsbridge().process().pid()),
                               absl::StrCat("--nofile=", descriptors, ":")});
    ASSERT_TRUE(set.ok()) << set.status();
  }
  int OpenDescriptors() {
    const std::string list =
        RunToEnd({"ls", absl::StrCat("/proc/", tlsbridge().process().pid(), "/fd")}).value_or("");
    return static_cast<int>(std::count(list.begin(), list.end(), '\n'));
  }
  absl::StatusOr<TlsClient> Open() { return TlsClient::Open(tlsbridge().address()); }
  // So that it has its backend's descriptor, too.
  static bool Echoes(TlsClient& client) {
    return client.Write("x").ok() && client.ReadExactly(1).value_or("") == "x";
  }
  size_t Lines() {
    const std::string output = tlsbridge().Output();
    return static_cast<size_t>(std::count(output.begin(), output.end(), '\n'));
  }

  TcpBackend backend_{[](Socket& connection) {
    while (true) {
      const auto part = connection.ReadSome();
      if (!part.ok() || part->empty() || !connection.Write(*part).ok()) return;
    }
  }};
};

TEST_F(DescriptorLimitTest, TheBudgetIsToldAndWhatIsBeyondItIsRefused) {
  ASSERT_NO_FATAL_FAILURE(StartWithDescriptors(84));
  const auto ready = tlsbridge().WaitForEvent("ready");
  EXPECT_EQ((*ready)["descriptors"], 84);
  const size_t budget = (*ready)["max_connections"];
  ASSERT_GT(budget, 0u);
  ASSERT_LT(budget, 42u);
  const auto warning = tlsbridge().WaitForEvent("few_connections");
  ASSERT_TRUE(warning);
  EXPECT_EQ((*warning)["max_connections"], budget);
  std::vector<TlsClient> clients;
  for (size_t i = 0; i < budget; ++i) {
    auto client = Open();
    ASSERT_TRUE(client.ok()) << "connection " << i << ": " << client.status();
    clients.push_back(*std::move(client));
  }
  EXPECT_FALSE(Open().ok());
  const auto refused = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0]["reason"], "fd_limit");
  // All whom it took in are served, and when one has gone there is room again.
  for (TlsClient& client : clients) {
    ASSERT_TRUE(client.Write("x").ok());
    ASSERT_EQ(client.ReadExactly(1).value_or("nothing"), "x");
  }
  ASSERT_TRUE(clients.back().SendCloseNotify().ok());
  clients.pop_back();
  ASSERT_EQ(tlsbridge().WaitForConnections(2).size(), 2u);
  EXPECT_TRUE(Open().ok());
}

TEST_F(DescriptorLimitTest, ManyWhoAreRefusedCostFewLinesOfLog) {
  ASSERT_NO_FATAL_FAILURE(StartWithDescriptors(70));
  const size_t budget = (*tlsbridge().WaitForEvent("ready"))["max_connections"];
  std::vector<TlsClient> clients;
  for (size_t i = 0; i < budget; ++i) clients.push_back(*Open());
  const size_t before = Lines();
  for (int i = 0; i < 200; ++i) EXPECT_FALSE(Open().ok());
  EXPECT_LE(Lines() - before, 5u);
  clients.clear();
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(tlsbridge().summary()["reasons"]["fd_limit"], 200);
}

TEST_F(DescriptorLimitTest, WithNoDescriptorAtAllItWaitsQuietlyAndThenGoesOn) {
  ASSERT_NO_FATAL_FAILURE(StartWithDescriptors(200));
  auto old = Open();
  ASSERT_TRUE(old.ok() && Echoes(*old));
  // Others in the process, or its operator, have taken what the budget counted on.
  ASSERT_NO_FATAL_FAILURE(SetSoftLimit(OpenDescriptors()));
  auto waiting = TlsClient::Connect(tlsbridge().address());
  ASSERT_TRUE(waiting.ok());
  ASSERT_TRUE(tlsbridge().WaitForEvent("accept_paused"));
  // It has not gone to sleep, and it does not spin: one that spun would log with each turn.
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(old->Write("x").ok());
    ASSERT_EQ(old->ReadExactly(1).value_or("nothing"), "x");
  }
  size_t lines = 0;
  for (const absl::string_view line : absl::StrSplit(tlsbridge().Output(), '\n')) {
    lines += absl::StrContains(line, "accept_paused") ? 1 : 0;
  }
  EXPECT_LE(lines, 10u);
  ASSERT_NO_FATAL_FAILURE(SetSoftLimit(200));
  EXPECT_TRUE(waiting->Handshake().ok()) << "it waited in the queue and is served now";
}

TEST_F(DescriptorLimitTest, WithNoDescriptorAtAllTheAdminListenerWaitsQuietly) {
  ASSERT_NO_FATAL_FAILURE(StartWithDescriptors(200, {"--admin-listen=127.0.0.1:0"}));
  const std::string admin = (*tlsbridge().WaitForEvent("admin_listening"))["address"];
  auto old = Open();
  ASSERT_TRUE(old.ok() && Echoes(*old));
  ASSERT_NO_FATAL_FAILURE(SetSoftLimit(OpenDescriptors()));
  const size_t before = Lines();
  auto asking = Socket::Connect(admin);
  ASSERT_TRUE(asking.ok());
  ASSERT_TRUE(asking->Write("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n").ok());
  ASSERT_TRUE(tlsbridge().WaitForEvent(
      "accept_paused", [&](const nlohmann::json& event) { return event["listener"] == admin; }));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(old->Write("x").ok());
    ASSERT_EQ(old->ReadExactly(1).value_or("nothing"), "x");
  }
  EXPECT_LE(Lines() - before, 3u) << tlsbridge().Output();
  ASSERT_NO_FATAL_FAILURE(SetSoftLimit(200));
  const auto answer = asking->ReadToEnd();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(absl::EndsWith(*answer, "\r\n\r\nlive\n")) << *answer;
}

TEST_F(DescriptorLimitTest, WithNoDescriptorForABackendTheClientGetsAnAlert) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer makes a pipe whenever it looks at a type, and finds none";
#endif
  ASSERT_NO_FATAL_FAILURE(StartWithDescriptors(200));
  // One for the client and none for its backend.
  ASSERT_NO_FATAL_FAILURE(SetSoftLimit(OpenDescriptors() + 1));
  auto client = Open();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client->alert(), SSL_AD_INTERNAL_ERROR);
  client->socket().Close();
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["reason"], "fd_limit");
  EXPECT_EQ(ended[0]["errno"], "EMFILE");
  ASSERT_NO_FATAL_FAILURE(SetSoftLimit(200));
}

}  // namespace
}  // namespace tlsbridge::e2e
