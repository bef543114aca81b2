// The admin server of the real program, as curl sees it.

#include <signal.h>

#include <algorithm>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

class AdminTest : public TlsbridgeTest {
 protected:
  void Start(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--admin-listen=127.0.0.1:0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), arguments));
    const auto listening = tlsbridge().WaitForEvent("admin_listening");
    ASSERT_TRUE(listening);
    admin_ = (*listening)["address"];
  }
  // The status, a blank and the body.
  std::string Get(const std::string& path, std::vector<std::string> more = {}) {
    more.insert(more.end(),
                {"--write-out", "%{stderr}%{http_code} ", absl::StrCat("http://", admin_, path)});
    const CurlResult result = Curl(certificates().authority_certificate(), std::move(more));
    EXPECT_EQ(result.exit_code, 0) << result.error;
    return absl::StrCat(result.error, result.body);
  }

  std::promise<bool> received_;  // the first five bytes of a client that sends some
  TcpBackend backend_{[this](Socket& connection) {
    if (connection.ReadExactly(5).ok()) received_.set_value(true);
    (void)connection.ReadToEnd();
  }};
  std::string admin_;
};

TEST_F(AdminTest, TellsThatItLivesAndIsReady) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(Get("/live"), "200 live\n");
  EXPECT_EQ(Get("/ready"), "200 ready\n");
  EXPECT_EQ(Get("/live", {"--http1.0"}), "200 live\n");
  EXPECT_EQ(Get("/nothing").substr(0, 4), "404 ");
  EXPECT_EQ(Get("/live", {"--data", "x"}).substr(0, 4), "405 ");
  EXPECT_EQ(Get("/live", {"--request", "DELETE"}).substr(0, 4), "405 ");
}

// What a kubelet or Prometheus on another machine needs, and nothing else.
TEST_F(AdminTest, MetricsAndProbesHaveAnAddressOfTheirOwn) {
  ASSERT_NO_FATAL_FAILURE(Start({"--metrics-listen=0.0.0.0:0"}));
  const auto listening = tlsbridge().WaitForEvent("metrics_listening");
  ASSERT_TRUE(listening);
  const std::string address = (*listening)["address"];
  admin_ = "127.0.0.1" + address.substr(address.rfind(':'));
  EXPECT_EQ(Get("/live"), "200 live\n");
  EXPECT_EQ(Get("/ready", {"--header", "Host: orders-7d9f.prod.svc"}), "200 ready\n");
  EXPECT_THAT(Get("/metrics", {"--header", "Host: orders:9902"}),
              testing::HasSubstr("tlsbridge_ready 1\n"));
  for (const char* path : {"/", "/status", "/connections", "/failures", "/certificates"}) {
    EXPECT_EQ(Get(path).substr(0, 4), "404 ") << path;
  }
  EXPECT_EQ(Get("/drain", {"--request", "POST", "--header", "Tlsbridge-Command: 1"}).substr(0, 4),
            "404 ");
}

TEST_F(AdminTest, AnswersHeadWithoutABody) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const std::string answer = Get("/live", {"--head"});
  EXPECT_NE(answer.find("Content-Length: 5\r\n"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("live"), std::string::npos) << answer;
}

TEST_F(AdminTest, ListsTheConnectionsAsSigusr1Does) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  const nlohmann::json dump = tlsbridge().Dump();
  const auto list = nlohmann::json::parse(Get("/connections").substr(4), nullptr, false);
  ASSERT_EQ(list["records"].size(), 1u);
  EXPECT_EQ(list["records"][0]["peer"], dump["records"][0]["peer"]);
  EXPECT_EQ(list["live"]["records"], 1);
}

TEST_F(AdminTest, ConnectionsOfAllWorkersComeByPagesEachOnce) {
  ASSERT_NO_FATAL_FAILURE(Start({"--workers=3"}));
  std::vector<TlsClient> clients;
  for (int i = 0; i < 20; ++i) {
    auto client = TlsClient::Open(tlsbridge().address());
    ASSERT_TRUE(client.ok()) << client.status();
    clients.push_back(*std::move(client));
  }
  std::vector<int> ids;
  std::string query = "?limit=6";
  for (int page = 0; page < 4; ++page) {
    const auto list = nlohmann::json::parse(Get("/connections" + query).substr(4), nullptr, false);
    EXPECT_EQ(list["records"].size(), page < 3 ? 6u : 2u);
    for (const auto& record : list["records"]) ids.push_back(record["id"]);
    EXPECT_EQ(list.contains("next"), page < 3);
    query = absl::StrCat("?limit=6&after=", list.value("next", 0));
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
  EXPECT_EQ(ids.size(), 20u);
  EXPECT_EQ(Get("/connections?limit=0").substr(0, 4), "400 ");
}

TEST_F(AdminTest, RoutesTellTheBytesOfConnectionsThatAreOpen) {
  ASSERT_NO_FATAL_FAILURE(Start());
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("hello").ok());
  ASSERT_TRUE(received_.get_future().get());
  for (int i = 0; i < 2; ++i) {
    const auto routes = nlohmann::json::parse(Get("/routes").substr(4), nullptr, false);
    EXPECT_EQ(routes["routes"][0]["connections"], 1);
    EXPECT_EQ(routes["routes"][0]["bytes_received"], 5);
  }
}

TEST_F(AdminTest, ConnectionsCanBeChosenByPeerRouteAndState) {
  ASSERT_NO_FATAL_FAILURE(Start({"--workers=3"}));
  std::vector<TlsClient> clients;
  for (int i = 0; i < 5; ++i) {
    auto client = TlsClient::Open(tlsbridge().address());
    ASSERT_TRUE(client.ok()) << client.status();
    clients.push_back(*std::move(client));
  }
  const auto list = [this](const std::string& query) {
    return nlohmann::json::parse(Get("/connections" + query).substr(4), nullptr, false)["records"];
  };
  const nlohmann::json all = list("");
  ASSERT_EQ(all.size(), 5u);
  const std::string peer = all[2]["peer"];
  ASSERT_EQ(list("?peer=" + peer).size(), 1u);
  EXPECT_EQ(list("?peer=" + peer)[0]["id"], all[2]["id"]);
  EXPECT_EQ(list("?peer=127.0.0.0/8&route=sidecar").size(), 5u);
  EXPECT_EQ(list("?peer=127.0.0.2").size(), 0u);
  EXPECT_EQ(list("?route=other").size(), 0u);
  EXPECT_EQ(list("?state=half-closed").size(), 0u);
  EXPECT_EQ(list("?route=sidecar&limit=2").size(), 2u);
  EXPECT_THAT(Get("/connections?peer=nobody"), testing::StartsWith("400 peer: 'nobody'"));
}

TEST_F(AdminTest, FailuresAreKeptWithTheirLinesAlsoThoseThatTheLogFolds) {
  ASSERT_NO_FATAL_FAILURE(Start());
  for (int i = 0; i < 7; ++i) {
    Curl(certificates().authority_certificate(),
         {absl::StrCat("http://", tlsbridge().address(), "/")});
  }
  nlohmann::json answer;
  for (int i = 0; i < 100 && answer["failures"].size() < 7; ++i) {
    answer = nlohmann::json::parse(Get("/failures").substr(4), nullptr, false);
  }
  ASSERT_EQ(answer["failures"].size(), 7u);
  const nlohmann::json logged = tlsbridge().WaitForConnections(5)[0];
  nlohmann::json first = answer["failures"][0]["fields"];
  EXPECT_EQ(first["id"], logged["id"]);
  EXPECT_EQ(first["detail"], "plain_http");
  for (const auto& [key, value] : first.items()) EXPECT_EQ(value, logged[key]) << key;
  EXPECT_THAT(std::string(answer["failures"][0]["line"]),
              testing::HasSubstr("reason=tls_handshake_failed"));
  EXPECT_EQ(answer["failures"][4]["written"], true);
  EXPECT_EQ(answer["failures"][5]["written"], false);
  EXPECT_EQ(tlsbridge().Connections().size(), 5u);
  const auto later = nlohmann::json::parse(
      Get(absl::StrCat("/failures?after=", answer["last"].get<int>())).substr(4), nullptr, false);
  EXPECT_EQ(later["failures"].size(), 0u);
}

TEST_F(AdminTest, StatusTellsTheVerdictAndWhatIsWrong) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto status = nlohmann::json::parse(Get("/status").substr(4), nullptr, false);
  EXPECT_EQ(status["verdict"], "ready");
  EXPECT_EQ(status["pid"], tlsbridge().process().pid());
  EXPECT_EQ(status["routes"][0]["name"], "sidecar");
  EXPECT_EQ(status["routes"][0]["backends"][0]["state"], "good");
  EXPECT_EQ(status["certificates"].size(), 1u);
}

TEST_F(AdminTest, AnOperatorMayDrainItAndChangeTheLevelOfItsLog) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-delay=1h"}));
  EXPECT_EQ(Get("/drain", {"--request", "POST"}).substr(0, 4), "403 ");
  EXPECT_EQ(
      Get("/log-level?level=debug", {"--request", "POST", "--header", "Tlsbridge-Command: 1"}),
      "200 log level debug until a restart\n");
  auto probe = Socket::Connect(tlsbridge().address());
  ASSERT_TRUE(probe.ok());
  probe->Close();
  EXPECT_TRUE(tlsbridge().WaitForEvent("connection_end")) << "of a probe, at level debug";
  EXPECT_EQ(Get("/drain", {"--request", "POST", "--header", "Tlsbridge-Command: 1"}),
            "200 draining\n");
  EXPECT_EQ(Get("/ready"), "503 draining\n");
  EXPECT_EQ(Get("/drain", {"--request", "POST", "--header", "Tlsbridge-Command: 1"}),
            "200 already draining\n");
  EXPECT_EQ(Get("/live"), "200 live\n") << "asked twice, it does not hurry";
  EXPECT_EQ(tlsbridge().Stop(), 0);
}

TEST_F(AdminTest, ALineTellsOfEachBeginningIfAskedTo) {
  ASSERT_NO_FATAL_FAILURE(Start({"--log-starts"}));
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok());
  const auto start = tlsbridge().WaitForEvent("connection_start");
  ASSERT_TRUE(start);
  EXPECT_EQ((*start)["id"], 1);
  EXPECT_EQ((*start)["listener"], tlsbridge().address());
}

TEST_F(AdminTest, IsNotReadyFromTheMomentThatItIsToldToStop) {
  ASSERT_NO_FATAL_FAILURE(Start({"--drain-delay=1h"}));
  tlsbridge().process().SendSignal(SIGTERM);
  ASSERT_TRUE(tlsbridge().WaitForEvent("terminating"));
  EXPECT_EQ(Get("/ready"), "503 draining\n");
  EXPECT_EQ(Get("/live"), "200 live\n");
  EXPECT_EQ(tlsbridge().Stop(), 0);  // the second signal: at once
}

TEST_F(AdminTest, ServesAUnixSocket) {
  const std::string path = dir().PathOf("admin");
  ASSERT_NO_FATAL_FAILURE(
      StartSidecar(backend_.address(), {absl::StrCat("--admin-listen=unix:", path)}));
  const CurlResult result = Curl(certificates().authority_certificate(),
                                 {"--unix-socket", path, "http://localhost/live"});
  EXPECT_EQ(result.body, "live\n") << result.error;
}

TEST_F(AdminTest, ManyWhoNeverAskDoNotKeepOthersFromAsking) {
  ASSERT_NO_FATAL_FAILURE(Start());
  std::vector<Socket> silent;
  for (int i = 0; i < 300; ++i) {
    auto socket = Socket::Connect(admin_);
    ASSERT_TRUE(socket.ok()) << socket.status();
    silent.push_back(*std::move(socket));
  }
  EXPECT_EQ(Get("/live"), "200 live\n");
}

}  // namespace
}  // namespace tlsbridge::e2e
