// The metrics of the real program, compared with its log, and as Debian's Prometheus reads them.

#include <poll.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

// Where it listens, once it says so.
std::string AddressOf(const Process& prometheus) {
  for (int i = 0; i < 300; ++i) {
    for (const absl::string_view line :
         absl::StrSplit(prometheus.StderrText(), '\n', absl::SkipEmpty())) {
      const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!json.is_discarded() && json.value("msg", "") == "Listening on") return json["address"];
    }
    poll(nullptr, 0, /*timeout=*/100);
  }
  return "";
}

class MetricsTest : public TlsbridgeTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), {"--admin-listen=127.0.0.1:0"}));
    const auto listening = tlsbridge().WaitForEvent("admin_listening");
    ASSERT_TRUE(listening);
    admin_ = (*listening)["address"];
  }
  std::string Get(const std::string& path, std::vector<std::string> more = {}) {
    more.push_back(absl::StrCat("http://", admin_, path));
    CurlResult result = Curl(certificates().authority_certificate(), std::move(more));
    EXPECT_EQ(result.exit_code, 0) << result.error;
    return std::move(result.body);
  }
  // By series: "name{labels}".
  std::map<std::string, double> Metrics() {
    std::map<std::string, double> metrics;
    for (const absl::string_view line : absl::StrSplit(Get("/metrics"), '\n', absl::SkipEmpty())) {
      if (line[0] == '#') continue;
      const size_t space = line.rfind(' ');
      double value = 0;
      EXPECT_TRUE(absl::SimpleAtod(line.substr(space + 1), &value)) << line;
      metrics[std::string(line.substr(0, space))] = value;
    }
    return metrics;
  }
  // Sends `bytes` and gets them back.
  void Visit(size_t bytes, int version) {
    auto client = TlsClient::Open(tlsbridge().address(), {.version = version});
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_TRUE(client->Write(std::string(bytes, 'x')).ok());
    ASSERT_TRUE(client->ReadExactly(bytes).ok());
    ASSERT_TRUE(client->SendCloseNotify().ok());
    EXPECT_TRUE(client->ReadToEnd().ok());
  }

  TcpBackend backend_{&EchoBytes};
  std::string admin_;
};

TEST_F(MetricsTest, CountsExactlyWhatTheLogTells) {
  const auto before = Metrics();
  EXPECT_EQ(before.at(R"(tlsbridge_connections_total{route="sidecar",reason="closed_incoming"})"),
            0);
  for (int i = 0; i < 3; ++i) Visit(1000, TLS1_3_VERSION);
  Visit(500, TLS1_2_VERSION);
  Curl(certificates().authority_certificate(),
       {absl::StrCat("http://", tlsbridge().address(), "/")});
  std::map<std::string, double> expected;
  double received = 0;
  double sent = 0;
  for (const nlohmann::json& end : tlsbridge().WaitForConnections(5)) {
    const std::string route = end.value("route", "(none)");
    const std::string reason = end["reason"];
    ++expected["tlsbridge_connections_total{route=\"" + route + "\",reason=\"" + reason + "\"}"];
    received += end["bytes_received"].get<double>();
    sent += end["bytes_sent"].get<double>();
  }
  expected[R"(tlsbridge_received_bytes_total{route="sidecar",side="client"})"] = received;
  expected[R"(tlsbridge_received_bytes_total{route="sidecar",side="backend"})"] = sent;
  expected[R"(tlsbridge_handshakes_total{route="sidecar",version="TLSv1.3",resumed="false"})"] = 3;
  expected[R"(tlsbridge_handshakes_total{route="sidecar",version="TLSv1.2",resumed="false"})"] = 1;
  expected["tlsbridge_handshake_failures_total{route=\"(none)\",detail=\"plain_http\"}"] = 1;
  expected[R"(tlsbridge_connections_open{route="sidecar"})"] = 0;
  expected[R"(tlsbridge_connections_opened_total{route="sidecar"})"] = 4;
  expected[R"(tlsbridge_handshake_duration_seconds_count{route="sidecar"})"] = 4;
  expected[R"(tlsbridge_connect_duration_seconds_count{route="sidecar"})"] = 4;
  expected[R"(tlsbridge_first_byte_duration_seconds_count{route="sidecar"})"] = 4;
  const auto after = Metrics();
  double ends = 0;
  for (const auto& [series, value] : after) {
    if (series.rfind("tlsbridge_connections_total{", 0) == 0) ends += value;
  }
  EXPECT_EQ(ends, 5);
  for (const auto& [series, value] : expected) {
    ASSERT_TRUE(after.contains(series)) << series;
    EXPECT_EQ(after.at(series), value) << series;
  }
}

TEST_F(MetricsTest, BytesAreToldWhileTheConnectionLives) {
  auto client = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->Write("question").ok());
  ASSERT_TRUE(client->ReadExactly(8).ok());
  const auto metrics = Metrics();
  EXPECT_EQ(metrics.at(R"(tlsbridge_received_bytes_total{route="sidecar",side="client"})"), 8);
  EXPECT_EQ(metrics.at(R"(tlsbridge_received_bytes_total{route="sidecar",side="backend"})"), 8);
  EXPECT_EQ(metrics.at(R"(tlsbridge_connections_open{route="sidecar"})"), 1);
}

TEST_F(MetricsTest, PromtoolFindsNothing) {
  Visit(10, 0);
  const std::string file = dir().PathOf("metrics");
  dir().WriteFile("metrics", Get("/metrics"));
  const auto said = RunToEnd({"sh", "-c", "promtool check metrics <" + file + " 2>&1"});
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(*said, "");
}

TEST_F(MetricsTest, PromtoolFindsNothingOnAThousandRoutes) {
  tlsbridge().Stop();
  std::string yaml =
      "listeners: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nroutes:\n";
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&yaml, "  - {name: route-", i, ", match: {domains: [name-", i,
                    ".example]}, tls: {mode: passthrough}, backends: [{address: '",
                    backend_.address(), "'}]}\n");
  }
  ASSERT_NO_FATAL_FAILURE(StartRun(yaml));
  const auto listening = tlsbridge().WaitForEvent("admin_listening");
  ASSERT_TRUE(listening);
  admin_ = (*listening)["address"];
  const std::string metrics = Get("/metrics");
  EXPECT_THAT(metrics, HasSubstr("route=\"route-999\""));
  const auto said = RunToEnd(
      {"sh", "-c", "promtool check metrics <" + dir().WriteFile("metrics", metrics) + " 2>&1"});
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(*said, "");
}

TEST_F(MetricsTest, PrometheusScrapesThem) {
  Visit(1000, 0);
  ASSERT_FALSE(tlsbridge().WaitForConnections(1).empty());
  const std::string config = absl::StrCat(
      "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
      "scrape_configs:\n- job_name: tlsbridge\n  static_configs: [{targets: ['",
      admin_, "']}]\n");
  auto prometheus = Process::Start(
      {.argv = {"prometheus", "--config.file=" + dir().WriteFile("prometheus.yml", config),
                "--storage.tsdb.path=" + dir().PathOf("data"), "--web.listen-address=127.0.0.1:0",
                "--log.format=json"},
       .environment = {},
       .on_stderr_line = {},
       .on_output_end = {}});
  ASSERT_TRUE(prometheus.ok()) << prometheus.status();
  const std::string address = AddressOf(**prometheus);
  ASSERT_FALSE(address.empty()) << (*prometheus)->StderrText();
  const std::string query = absl::StrCat(
      "http://", address,
      "/api/v1/query?query=tlsbridge_connections_total%7Breason%3D%22closed_incoming%22%7D");
  std::string value;
  for (int i = 0; i < 300 && value != "1"; ++i) {
    const CurlResult answer = Curl(certificates().authority_certificate(), {query});
    const auto json = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    if (!json.is_discarded() && json["data"]["result"].size() == 1) {
      value = json["data"]["result"][0]["value"][1];
      EXPECT_EQ(json["data"]["result"][0]["metric"]["route"], "sidecar");
    } else {
      poll(nullptr, 0, /*timeout=*/100);
    }
  }
  EXPECT_EQ(value, "1") << (*prometheus)->StderrText();
  (*prometheus)->SendSignal(SIGTERM);
  EXPECT_EQ((*prometheus)->WaitForExit(), 0);
}

}  // namespace
}  // namespace tlsbridge::e2e
