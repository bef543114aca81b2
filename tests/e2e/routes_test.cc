// Which route a connection takes, and what routes refuse.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/run_program.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

constexpr int kTls11 = 0x0302;
constexpr int kAccessDenied = 49;  // RFC 8446, 6
constexpr int kUnrecognizedName = 112;

class RoutesTest : public TlsbridgeTest {
 protected:
  // `route` is "NAME\n" and then lines of a route, for forwarding with TLS ended here.
  static std::string Forward(const std::string& name, const std::string& lines,
                             const TcpBackend& backend) {
    return absl::StrCat("  - name: ", name, "\n", lines,
                        "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}],\n"
                        "          alpn: [h2, http/1.1]}\n"
                        "    backends: [{address: \"",
                        backend.address(), "\"}]\n");
  }
  void Start(const std::string& routes) {
    StartRun(absl::StrCat("workers: 1\nlisteners: [{address: \"", first_, "\"}, {address: \"",
                          second_, "\"}]\nroutes:\n", routes));
  }
  // What the backend said first, and which alert there was instead: "a", "alert 49", "reset".
  std::string Reach(const TlsClientOptions& options = {}, const std::string& address = "") {
    auto client = TlsClient::Connect(address.empty() ? first_ : address, options);
    if (!client.ok()) return std::string(client.status().message());
    if (client->Handshake().ok()) {
      if (const auto letter = client->ReadExactly(1); letter.ok()) return *letter;
    }
    if (client->alert() >= 0) return absl::StrCat("alert ", client->alert());
    return client->end() == TlsEnd::kFin ? "end" : "reset";
  }
  // Of the connection that came in as the `number`-th.
  nlohmann::json End(int number) {
    return tlsbridge()
        .WaitForEvent("connection_end",
                      [number](const auto& event) { return event["id"] == number; })
        .value_or(nlohmann::json::object());
  }
  static TcpBackend::Handler Saying(const std::string& letter) {
    return [letter](Socket& connection) {
      (void)connection.Write(letter);
      (void)connection.ReadToEnd();
    };
  }

  const std::string first_ = FreeAddress(1);
  const std::string second_ = FreeAddress(2);
  TcpBackend a_{Saying("a")};
  TcpBackend b_{Saying("b")};
};

TEST_F(RoutesTest, ByTheListenersPort) {
  ASSERT_NO_FATAL_FAILURE(
      Start(Forward("one", absl::StrCat("    match: {ports: [", PortOf(first_), "]}\n"), a_) +
            Forward("two", absl::StrCat("    match: {ports: [", PortOf(second_), "]}\n"), b_)));
  EXPECT_EQ(Reach({}, first_), "a");
  EXPECT_EQ(Reach({}, second_), "b");
  EXPECT_EQ(End(1)["route"], "one");
  EXPECT_EQ(End(2)["route"], "two");
}

// A route may say more, or less, than the rest of the log.
TEST_F(RoutesTest, LinesHaveTheLeastLevelOfTheirRoute) {
  const std::string admin = absl::StrCat("unix:", dir().PathOf("admin"));
  const auto route = [](const std::string& name, const std::string& address,
                        const std::string& level, const TcpBackend& backend) {
    return Forward(name, absl::StrCat("    match: {ports: [", PortOf(address), "]}\n", level),
                   backend);
  };
  const auto routes = [&](const std::string& of_one, const std::string& of_two) {
    return absl::StrCat("admin: {address: \"", admin, "\"}\nworkers: 1\nlisteners: [{address: \"",
                        first_, "\"}, {address: \"", second_, "\"}]\nroutes:\n",
                        route("one", first_, of_one, a_), route("two", second_, of_two, b_));
  };
  ASSERT_NO_FATAL_FAILURE(StartRun(routes("    log_level: info\n", "")));
  ASSERT_EQ(RunProgram({"log-level", "warning", "--admin", admin}).exit_code, 0);
  EXPECT_EQ(Reach({}, second_), "b");
  EXPECT_EQ(Reach({}, first_), "a");
  EXPECT_EQ(End(2)["route"], "one") << "at level info, where the log has warnings only";
  EXPECT_EQ(tlsbridge().Connections().size(), 1u);
  ASSERT_EQ(RunProgram({"log-level", "info", "--admin", admin}).exit_code, 0);
  ReloadWith(routes("    log_level: error\n", ""));
  EXPECT_EQ(Reach({.version = kTls11}, first_), "alert 70");
  EXPECT_EQ(Reach({}, second_), "b");
  EXPECT_EQ(End(4)["route"], "two");
  EXPECT_EQ(tlsbridge().Connections().size(), 2u);
}

TEST_F(RoutesTest, ByTheClientsAddress) {
  ASSERT_NO_FATAL_FAILURE(Start(Forward("near", "    match: {client_ip: [127.0.9.0/24]}\n", a_) +
                                Forward("rest", "", b_)));
  EXPECT_EQ(Reach({.source = "127.0.9.7"}), "a");
  EXPECT_EQ(Reach({.source = "127.0.10.7"}), "b");
}

TEST_F(RoutesTest, ByAlpn) {
  ASSERT_NO_FATAL_FAILURE(
      Start(Forward("h2", "    match: {alpn: [h2]}\n", a_) + Forward("rest", "", b_)));
  EXPECT_EQ(Reach({.alpn = "h2"}), "a");
  EXPECT_EQ(Reach({.alpn = "http/1.1"}), "b");
  EXPECT_EQ(Reach(), "b");
  EXPECT_EQ(End(1)["alpn"], "h2");
}

TEST_F(RoutesTest, ByTheBestTlsVersion) {
  ASSERT_NO_FATAL_FAILURE(
      Start(Forward("new", "    match: {tls_versions: [1.3]}\n", a_) + Forward("rest", "", b_)));
  EXPECT_EQ(Reach({.version = TLS1_3_VERSION}), "a");
  EXPECT_EQ(Reach({.version = TLS1_2_VERSION}), "b");
}

TEST_F(RoutesTest, ByDomainTheMoreSpecificWins) {
  ASSERT_NO_FATAL_FAILURE(Start(Forward("all", "    match: {domains: [\"*.internal\"]}\n", a_) +
                                Forward("one", "    match: {domains: [orders.internal]}\n", b_)));
  EXPECT_EQ(Reach({.server_name = "orders.internal"}), "b");
  EXPECT_EQ(Reach({.server_name = "Billing.Internal"}), "a");
  EXPECT_EQ(Reach({.server_name = "elsewhere"}), absl::StrCat("alert ", kUnrecognizedName));
  EXPECT_EQ(End(3)["reason"], "no_route");
  EXPECT_FALSE(End(3).contains("route"));
}

TEST_F(RoutesTest, PassthroughLeavesTlsToTheBackend) {
  auto inner = TlsbridgeOptions{.arguments = {"--backend", b_.address(), "--cert",
                                              certificates().Issue().certificate, "--key",
                                              certificates().Issue().key}};
  auto backend = Tlsbridge::Start(inner);
  ASSERT_TRUE(backend.ok()) << backend.status();
  ASSERT_NO_FATAL_FAILURE(Start(
      absl::StrCat("  - name: through\n    tls: {mode: passthrough}\n    backends: [{address: \"",
                   (*backend)->address(), "\"}]\n")));
  EXPECT_EQ(Reach({.server_name = "inside"}), "b");
  EXPECT_EQ(End(1)["route"], "through");
  EXPECT_EQ(End(1)["sni"], "inside");
  EXPECT_FALSE(End(1).contains("cipher"));
  EXPECT_EQ((*backend)->WaitForConnections(1).at(0)["sni"], "inside");
}

TEST_F(RoutesTest, BlockTellsWhyOrSaysNothing) {
  ASSERT_NO_FATAL_FAILURE(
      Start("  - {name: told, match: {domains: [told.internal]}, action: block}\n"
            "  - {name: silent, match: {domains: [silent.internal]}, action: block,\n"
            "     block_with_alert: false}\n" +
            Forward("rest", "", a_)));
  EXPECT_EQ(Reach({.server_name = "told.internal"}), absl::StrCat("alert ", kAccessDenied));
  EXPECT_EQ(Reach({.server_name = "silent.internal"}), "end");
  EXPECT_EQ(Reach(), "a");
  for (const char* route : {"told", "silent"}) {
    const auto end = tlsbridge().WaitForEvent(
        "connection_end", [route](const auto& event) { return event.value("route", "") == route; });
    ASSERT_TRUE(end) << route;
    EXPECT_EQ((*end)["reason"], "denied");
  }
  EXPECT_EQ(a_.connections_accepted(), 1);
}

TEST_F(RoutesTest, DenyIsAskedBeforeAllow) {
  ASSERT_NO_FATAL_FAILURE(
      Start(Forward("main", "    deny_ip: [127.0.9.6]\n    allow_ip: [127.0.9.0/24]\n", a_)));
  EXPECT_EQ(Reach({.source = "127.0.9.5"}), "a");
  EXPECT_EQ(Reach({.source = "127.0.9.6"}), absl::StrCat("alert ", kAccessDenied));
  EXPECT_EQ(Reach({.source = "127.0.10.5"}), absl::StrCat("alert ", kAccessDenied));
  EXPECT_EQ(End(2)["reason"], "denied");
  EXPECT_EQ(End(3)["reason"], "denied");
}

TEST_F(RoutesTest, EachRouteIsCountedByItsName) {
  const std::string admin = FreeAddress(3);
  ASSERT_NO_FATAL_FAILURE(
      Start(Forward("one", "    match: {domains: [one.internal]}\n", a_) +
            "  - {name: closed, match: {domains: [closed.internal]}, action: block}\n" +
            Forward("two", "    match: {domains: [two.internal]}\n", b_) +
            absl::StrCat("admin: {address: \"", admin, "\"}\n")));
  EXPECT_EQ(Reach({.server_name = "one.internal"}), "a");
  EXPECT_EQ(Reach({.server_name = "one.internal"}), "a");
  for (const char* name : {"closed.internal", "elsewhere.internal", "any.thing"}) {
    EXPECT_NE(Reach({.server_name = name}), "a");
  }
  auto held = TlsClient::Open(first_, {.server_name = "two.internal"});
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(held->ReadExactly(1).value_or("!"), "b");
  ASSERT_EQ(tlsbridge().WaitForConnections(5).size(), 5u);
  const CurlResult answer =
      Curl(certificates().authority_certificate(), {absl::StrCat("http://", admin, "/routes")});
  ASSERT_EQ(answer.exit_code, 0) << answer.error;
  const auto json = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  ASSERT_EQ(json["routes"].size(), 3u) << answer.body;
  EXPECT_EQ(json["routes"][0]["name"], "one");
  EXPECT_EQ(json["routes"][0]["ended"], nlohmann::json({{"truncated", 2}}));
  EXPECT_EQ(json["routes"][0]["bytes_sent"], 2);
  EXPECT_EQ(json["routes"][0]["connections"], 0);
  EXPECT_EQ(json["routes"][1]["name"], "closed");
  EXPECT_EQ(json["routes"][1]["ended"], nlohmann::json({{"denied", 1}}));
  EXPECT_EQ(json["routes"][2]["name"], "two");
  EXPECT_EQ(json["routes"][2]["connections"], 1);
  EXPECT_EQ(json["routes"][2]["ended"], nlohmann::json::object());
  // Names that only clients know make no entry of their own.
  EXPECT_EQ(json["unrouted"]["ended"], nlohmann::json({{"no_route", 2}}));
}

TEST_F(RoutesTest, LimitsOfARouteLeaveTheOthersAlone) {
  ASSERT_NO_FATAL_FAILURE(Start(Forward("small",
                                        "    match: {domains: [small.internal]}\n"
                                        "    limits: {connections_per_ip: 1}\n",
                                        a_) +
                                Forward("rest", "", b_)));
  auto held = TlsClient::Open(first_, {.server_name = "small.internal"});
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(Reach({.server_name = "small.internal"}), "alert 80");
  EXPECT_EQ(Reach({.server_name = "small.internal", .source = "127.0.9.5"}), "a");
  EXPECT_EQ(Reach(), "b");
  EXPECT_EQ(End(2)["reason"], "ip_limit");
  EXPECT_EQ(End(2)["route"], "small");
}

}  // namespace
}  // namespace tlsbridge::e2e
