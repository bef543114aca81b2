// Files without mistakes, and what becomes of them, member by member.

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/yaml/describe.h"
#include "router/yaml/key_examples.h"
#include "router/yaml/parse_config.h"
#include "tests/support/expected_files.h"

namespace tlsbridge {
namespace {

using testing::ContentOf;
using ::testing::ElementsAre;

std::optional<std::string> Variables(absl::string_view name) {
  if (name == "OCSP") return "/var/ocsp";
  return std::nullopt;
}

ParsedConfig Parsed(const std::string& name) {
  const std::string path = "tests/router/yaml/good/" + name;
  ParsedConfig parsed = ParseConfig(ContentOf(path), "/etc/tlsbridge/" + name, Variables);
  for (const Problem& problem : parsed.problems) ADD_FAILURE() << problem.ToString();
  return parsed;
}

BackendAddress SocketAt(const std::string& text) {
  BackendAddress address;
  address.socket = *SocketAddress::Parse(text);
  return address;
}

BackendAddress Name(BackendAddress::Kind kind, const std::string& name, uint16_t port) {
  BackendAddress address;
  address.kind = kind;
  address.name = name;
  address.port = port;
  return address;
}

ServerTls FullTls() {
  ServerTls tls;
  tls.certificates = {{"/etc/tlsbridge/orders.crt", "/etc/keys/orders.key", "/var/ocsp/orders.der"},
                      {"/etc/tlsbridge/ecdsa.crt", "/etc/tlsbridge/ecdsa.key", ""}};
  tls.alpn = {"h2", "http/1.1"};
  tls.max_version = TlsVersion::kTls12;
  tls.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  tls.groups = "X25519";
  tls.refuse_unknown_sni = true;
  tls.client = {ClientCertificateMode::kOptional,
                "/etc/tlsbridge/ca.crt",
                "/etc/tlsbridge/ca.crl",
                {"uri:spiffe://prod/ns/*/sa/api", "ou:payments"},
                true};
  tls.tickets = {TicketMode::kShared, "/etc/tlsbridge/secret"};
  return tls;
}

Route FullRoute() {
  Route route;
  route.name = "orders";
  route.priority = 10;
  route.match.ports = {{8443, 8443}, {9000, 9099}, {8000, 9000}};
  route.match.domains = {"orders.internal", "*.orders.internal"};
  route.match.client_ip = {*Cidr::Parse("10.0.0.0/8")};
  route.match.alpn = {"h2"};
  route.match.tls_versions = {TlsVersion::kTls13, TlsVersion::kTls12};
  route.deny_ip = {*Cidr::Parse("10.66.0.0/16")};
  route.allow_ip = {*Cidr::Parse("10.0.0.0/8")};
  route.tls_mode = TlsMode::kTerminateAndReencrypt;
  route.tls = FullTls();
  route.backends = {{SocketAt("127.0.0.1:8080"), 3, false},
                    {SocketAt("unix:/run/orders.sock"), 1, true},
                    {SocketAt("unix:@orders"), 1, false},
                    {Name(BackendAddress::Kind::kDns, "orders.svc", 8080), 0, false},
                    {Name(BackendAddress::Kind::kSrv, "_https._tcp.orders.svc", 0), 1, false}};
  route.balance = Balance::kLeastConnections;
  route.health = {HealthCheck::Kind::kSendExpect,
                  "PING\r\n",
                  "+PONG",
                  absl::Milliseconds(2500),
                  absl::Seconds(1),
                  4,
                  5};
  route.ejection = {7, absl::Seconds(20), absl::Minutes(90), 0.25};
  route.slow_start = absl::Seconds(45);
  route.dns = {.ttl_floor = absl::Seconds(2),
               .ttl_ceiling = absl::Minutes(1),
               .forget_after = absl::Seconds(90),
               .servers = {*SocketAddress::Parse("127.0.0.1:5353")}};
  route.backend_tls = {"/etc/tlsbridge/backends.crt",
                       "orders.svc",
                       "orders.example",
                       "/etc/tlsbridge/us.crt",
                       "/etc/tlsbridge/us.key",
                       {"http/1.1"},
                       false};
  route.send_proxy = ProxyProtocol::kV2;
  route.timeouts = {absl::Seconds(1),
                    absl::Seconds(2),
                    absl::Seconds(3),
                    absl::Hours(6),
                    absl::Seconds(5),
                    absl::ZeroDuration(),
                    7};
  route.keep_alive = {KeepAliveTreatment::kExtended, 1.5, absl::Minutes(15)};
  route.bridge.tcp.keepalive_idle = absl::Seconds(11);
  route.bridge.tcp.keepalive_interval = absl::Seconds(12);
  route.bridge.tcp.keepalive_probes = 13;
  route.bridge.tcp.user_timeout = absl::Seconds(14);
  route.bridge.grace = absl::Seconds(7);
  route.bridge.accept_truncation = true;
  route.bridge.accept_backend_truncation = true;
  route.limits = {16, 17, 18};
  route.log_level = LogLevel::kDebug;
  return route;
}

TEST(FullFile, FillsEveryMember) {
  const Config config = Parsed("full.yaml").config;
  ASSERT_EQ(config.listeners.size(), 4U);
  EXPECT_EQ(config.listeners[0].address.ToString(), "0.0.0.0:8443");
  EXPECT_THAT(
      config.listeners[0].proxy_protocol_from,
      ElementsAre(*Cidr::Parse("10.0.0.0/8"), *Cidr::Parse("fd00::/8"), *Cidr::Parse("192.0.2.1")));
  EXPECT_EQ(config.listeners[1].address.ToString(), "unix:@tlsbridge");
  EXPECT_TRUE(config.listeners[1].proxy_protocol_from_unix);
  EXPECT_EQ(config.admin->ToString(), "127.0.0.1:9901");
  EXPECT_EQ(config.metrics->ToString(), "0.0.0.0:9902");
  EXPECT_EQ(config.limits, (Limits{19, 20, 21, 25, 26}));
  EXPECT_EQ(config.kernel,
            (KernelSettings{"tlsbridge-2", KernelOnExit::kKeep, KernelUnavailable::kProxy}));
  EXPECT_EQ(config.shutdown, (Shutdown{absl::Seconds(22), absl::Seconds(23)}));
  EXPECT_EQ(config.workers, 24);
  EXPECT_EQ(config.log, (LogSettings{LogLevel::kWarning, LogFormat::kJson, true}));
}

TEST(FullFile, FillsEveryMemberOfARoute) {
  const Config config = Parsed("full.yaml").config;
  ASSERT_EQ(config.routes.size(), 4U);
  const Route& route = config.routes[0];
  const Route expected = FullRoute();
  EXPECT_EQ(route.match, expected.match);
  EXPECT_EQ(route.tls, expected.tls);
  EXPECT_EQ(route.backends, expected.backends);
  EXPECT_EQ(route.health, expected.health);
  EXPECT_EQ(route.ejection, expected.ejection);
  EXPECT_EQ(route.backend_tls, expected.backend_tls);
  EXPECT_EQ(route.timeouts, expected.timeouts);
  EXPECT_EQ(route.keep_alive, expected.keep_alive);
  EXPECT_TRUE(route == expected) << "in a member that is not compared above";
  EXPECT_TRUE(config.routes[1].unsafe_backend);
  EXPECT_EQ(config.routes[1].tls_mode, TlsMode::kTerminate);
  EXPECT_EQ(config.routes[2].action, RouteAction::kBlock);
  EXPECT_FALSE(config.routes[2].block_with_alert);
  EXPECT_EQ(config.routes[3].forwarding_engine, ForwardingEngine::kNftables);
  EXPECT_EQ(config.routes[3].kernel, (RouteKernel{KernelSource::kKeep, KernelMissed::kRefuse}));
}

TEST(FullFile, HasEveryKeyOfTheTable) {
  const std::string text = ContentOf("tests/router/yaml/good/full.yaml");
  for (const std::string& path : ConfigKeyPaths()) {
    const std::string key = path.substr(path.rfind('.') + 1);
    EXPECT_TRUE(absl::StrContains(text, key + ":")) << path;
  }
}

// All that the kernel can do, beside routes of the program's that leave it its clients.
TEST(KernelFile, IsWhatTheKernelCanDo) {
  const Config config = Parsed("forwarding-by-the-kernel.yaml").config;
  ASSERT_EQ(config.routes.size(), 4U);
  EXPECT_EQ(config.routes[0].forwarding_engine, ForwardingEngine::kNftables);
  EXPECT_EQ(config.routes[0].balance, Balance::kSourceHash);
  EXPECT_EQ(config.routes[1].forwarding_engine, ForwardingEngine::kProxy);
}

TEST(FullFile, TellsWhereFilesAreNamed) {
  const std::vector<NamedFile> files = Parsed("full.yaml").files;
  ASSERT_EQ(files.size(), 13U);
  EXPECT_EQ(files[2].file, "/var/ocsp/orders.der");
  EXPECT_EQ(files[2].where.path, "routes[0].tls.certificates[0].ocsp");
  EXPECT_EQ(files[2].where.ToString(),
            "/etc/tlsbridge/full.yaml:26:63: routes[0].tls.certificates[0].ocsp: ");
}

TEST(MinimalFile, LeavesAllElseAtTheDefaultsOfTheStructs) {
  const Config config = Parsed("minimal.yaml").config;
  Route route;
  route.name = "orders";
  route.tls.certificates = {{"/etc/tlsbridge/tls.crt", "/etc/tlsbridge/tls.key", ""}};
  route.backends = {{SocketAt("127.0.0.1:8080"), 1, false}};
  Config expected;
  expected.listeners.resize(1);
  expected.listeners[0].address = *SocketAddress::Parse("0.0.0.0:8443");
  expected.routes = {route};
  EXPECT_TRUE(config == expected);
}

// Which of the machines that a name stands for may be sent plaintext, is known when it has been
// resolved (RouteResolver).
TEST(GoodTest, ANameMayBeSentPlaintext) {
  const Config config = Parsed("plaintext-to-a-name.yaml").config;
  ASSERT_EQ(config.routes[0].backends.size(), 2u);
  EXPECT_FALSE(config.routes[0].unsafe_backend);
}

TEST(SharedParts, AreTakenOverAndWhatIsGivenWins) {
  const Config config = Parsed("shared-parts.yaml").config;
  ASSERT_EQ(config.routes.size(), 4U);
  EXPECT_EQ(config.routes[1].name, "billing");
  EXPECT_THAT(config.routes[1].match.domains, ElementsAre("billing.internal"));
  EXPECT_EQ(config.routes[1].backends, config.routes[0].backends);
  EXPECT_EQ(config.routes[2].timeouts.handshake, absl::Seconds(5));
  EXPECT_EQ(config.routes[2].timeouts.inactivity, absl::Hours(1));
  EXPECT_EQ(config.routes[2].tls, config.routes[0].tls);
}

TEST(Reference, IsFresh) {
  EXPECT_EQ(ContentOf("router/yaml/reference.md"), ConfigReference())
      << "run: bazel run //:tlsbridge -- check --reference >router/yaml/reference.md";
}

// "routes[].tls.mode" and "x" -> "{routes: [{tls: {mode: x}}]}"
std::string FileWith(absl::string_view path, absl::string_view value) {
  std::string text;
  std::string end;
  for (absl::string_view key : absl::StrSplit(path, '.')) {
    const bool is_list = absl::ConsumeSuffix(&key, "[]");
    absl::StrAppend(&text, "{", key, ": ", is_list ? "[" : "");
    end.insert(0, is_list ? "]}" : "}");
  }
  return absl::StrCat(text, value, end);
}

TEST(Reference, HasAnExampleOfEveryKeyThatTheKeyTakes) {
  for (const KeyFacts& key : ConfigKeyFacts()) {
    const absl::string_view example = yaml::ExampleOf(key.path);
    EXPECT_EQ(example.empty(), key.has_keys) << key.path;
    if (key.has_keys) continue;
    EXPECT_NE(example, key.standard) << key.path << ": an example of what it is anyway";
    const ParsedConfig parsed = ParseConfig(FileWith(key.path, example), "it", Variables);
    const std::string path = absl::StrReplaceAll(key.path, {{"[]", "[0]"}});
    for (const Problem& problem : parsed.problems) {
      // What else such a file needs is another matter.
      const bool of_value = absl::StartsWith(problem.path, path) &&
                            !absl::StrContains(problem.message, "needs ") &&
                            !absl::StartsWith(problem.message, "contradicts ");
      EXPECT_FALSE(of_value) << problem.ToString();
    }
  }
}

TEST(Reference, HasNoExampleOfAKeyThatIsNotThere) {
  for (const KeyFacts& key : ConfigKeyFacts()) {
    EXPECT_LT(yaml::PlaceOf(key.path), ConfigKeyFacts().size()) << key.path;
  }
}

}  // namespace
}  // namespace tlsbridge
