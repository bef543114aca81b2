// Flags and files are two ways to say the same: each row is said in both.

#include "tools/tlsbridge/sidecar_flags.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/yaml/describe.h"
#include "router/yaml/parse_config.h"
#include "tools/tlsbridge/flag_table.h"

namespace tlsbridge {
namespace {

FlagConfig Read(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  const absl::StatusOr<GivenFlags> given = ParseFlags(argv, SidecarFlagGroups());
  EXPECT_TRUE(given.ok()) << given.status();
  return SidecarConfig(given.value_or(GivenFlags()));
}

Config FromFlags(std::vector<std::string> arguments) {
  const FlagConfig read = Read(std::move(arguments));
  for (const std::string& problem : read.problems) ADD_FAILURE() << problem;
  return read.parsed.config;
}

// What is wrong with them beside those that must be given.
std::vector<std::string> ProblemsOf(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(),
                   {"--listen=127.0.0.1:1", "--backend=127.0.0.1:2", "--cert=a", "--key=b"});
  return Read(std::move(arguments)).problems;
}

Config FromFile(const std::string& yaml) {
  const ParsedConfig parsed =
      ParseConfig(yaml, "/tlsbridge.yaml", [](absl::string_view) { return std::nullopt; });
  for (const Problem& problem : parsed.problems) ADD_FAILURE() << problem.ToString();
  return parsed.config;
}

// Member by member, so that a difference shows where it is.
void ExpectSame(const Config& flags, const Config& file) {
  ASSERT_EQ(flags.routes.size(), 1u);
  ASSERT_EQ(file.routes.size(), 1u);
  EXPECT_EQ(flags.listeners, file.listeners);
  EXPECT_EQ(flags.admin, file.admin);
  EXPECT_EQ(flags.metrics, file.metrics);
  EXPECT_EQ(flags.limits, file.limits);
  EXPECT_EQ(flags.shutdown, file.shutdown);
  EXPECT_EQ(flags.log, file.log);
  EXPECT_EQ(flags.workers, file.workers);
  const Route& ours = flags.routes[0];
  const Route& theirs = file.routes[0];
  EXPECT_EQ(ours.tls, theirs.tls);
  EXPECT_EQ(ours.backends, theirs.backends);
  EXPECT_EQ(ours.backend_tls, theirs.backend_tls);
  EXPECT_EQ(ours.timeouts, theirs.timeouts);
  EXPECT_EQ(ours.keep_alive, theirs.keep_alive);
  EXPECT_EQ(ours.limits, theirs.limits);
  EXPECT_TRUE(ours == theirs) << "in a member that is not compared above";
}

TEST(SidecarFlags, ThoseThatMustBeGivenMakeTheSameAsTheSmallestFile) {
  ExpectSame(FromFlags({"--listen=0.0.0.0:8443", "--backend=127.0.0.1:8080", "--cert=/tls.crt",
                        "--key=/tls.key"}),
             FromFile(R"(
listeners: [{address: "0.0.0.0:8443"}]
routes:
  - name: sidecar
    tls: {certificates: [{cert: /tls.crt, key: /tls.key}]}
    backends: [{address: "127.0.0.1:8080"}]
)"));
}

TEST(SidecarFlags, EveryOtherOneMakesTheSameAsItsKey) {
  ExpectSame(FromFlags({"--listen=0.0.0.0:8443",
                        "--listen=unix:@tlsbridge",
                        "--proxy-from=10.0.0.0/8",
                        "--proxy-from=unix",
                        "--backend=127.0.0.1:8080",
                        "--backend=unix:/run/orders.sock",
                        "--backend=dns:orders.svc:8080",
                        "--unsafe-backend",
                        "--send-proxy=v2",
                        "--cert=/tls.crt",
                        "--key=/tls.key",
                        "--ocsp=/tls.ocsp",
                        "--cert=/rsa.crt",
                        "--key=/rsa.key",
                        "--refuse-unknown-sni",
                        "--alpn=h2",
                        "--alpn=http/1.1",
                        "--min-tls=1.2",
                        "--max-tls=1.2",
                        "--ciphers=ECDHE-ECDSA-AES128-GCM-SHA256",
                        "--groups=X25519",
                        "--tickets=shared:/secret",
                        "--client-ca=/ca.crt",
                        "--client-cert=optional",
                        "--client-crl=/ca.crl",
                        "--observe-only",
                        "--allow-ou=payments",
                        "--handshake-timeout=1s",
                        "--connect-timeout=2s",
                        "--connect-attempts=7",
                        "--initial-data-timeout=3s",
                        "--inactivity-timeout=6h",
                        "--half-close-timeout=5s",
                        "--max-lifetime=0",
                        "--keep-alive=extended",
                        "--keep-alive-multiplier=1.5",
                        "--keep-alive-warning=15m",
                        "--close-grace=7s",
                        "--tcp-keepalive=11s",
                        "--tcp-user-timeout=14s",
                        "--truncation=fin",
                        "--max-connections=19",
                        "--max-connections-per-ip=20",
                        "--max-new-per-ip-per-minute=21",
                        "--max-handshakes=25",
                        "--max-handshakes-per-ip=26",
                        "--workers=24",
                        "--drain-delay=22s",
                        "--drain-timeout=23s",
                        "--admin-listen=127.0.0.1:9901",
                        "--metrics-listen=0.0.0.0:9902",
                        "--log-level=warning",
                        "--log-format=json"}),
             FromFile(R"(
listeners:
  - {address: "0.0.0.0:8443", proxy_protocol_from: [10.0.0.0/8]}
  - {address: "unix:@tlsbridge", proxy_protocol_from_unix: true}
routes:
  - name: sidecar
    tls:
      certificates: [{cert: /tls.crt, key: /tls.key, ocsp: /tls.ocsp}, {cert: /rsa.crt, key: /rsa.key}]
      refuse_unknown_sni: true
      alpn: [h2, http/1.1]
      min_version: 1.2
      max_version: 1.2
      ciphers: ECDHE-ECDSA-AES128-GCM-SHA256
      groups: X25519
      tickets: {mode: shared, file: /secret}
      client_auth: {mode: optional, ca: /ca.crt, crl: /ca.crl, observe_only: true, allow: ["ou:payments"]}
      truncation: fin
    unsafe_backend: true
    send_proxy_protocol: v2
    backends:
      - {address: "127.0.0.1:8080"}
      - {address: "unix:/run/orders.sock"}
      - {address: "dns:orders.svc:8080"}
    timeouts: {handshake: 1s, connect: 2s, connect_attempts: 7, initial_data: 3s, inactivity: 6h, half_close: 5s, max_lifetime: 0, close_grace: 7s}
    keep_alive: {treatment: extended, multiplier: 1.5, warning: 15m}
    tcp: {keepalive_idle: 11s, user_timeout: 14s}
admin: {address: "127.0.0.1:9901", metrics_address: "0.0.0.0:9902"}
limits: {connections: 19, connections_per_ip: 20, rate_per_ip_per_minute: 21, handshakes: 25, handshakes_per_ip: 26}
shutdown: {drain_delay: 22s, drain_timeout: 23s}
workers: 24
log: {level: warning, format: json}
)"));
}

TEST(SidecarFlags, NamesOfSocketsAreThoseOfTheirListeners) {
  ExpectSame(FromFlags({"--listen=127.0.0.1:1", "--listen=127.0.0.1:2", "--listen-name=first",
                        "--backend=127.0.0.1:3", "--cert=/tls.crt", "--key=/tls.key"}),
             FromFile(R"(
listeners: [{address: "127.0.0.1:1", name: first}, {address: "127.0.0.1:2"}]
routes:
  - name: sidecar
    tls: {certificates: [{cert: /tls.crt, key: /tls.key}]}
    backends: [{address: "127.0.0.1:3"}]
)"));
  const auto problems = Read({"--listen=127.0.0.1:1", "--listen-name=a", "--listen-name=b",
                              "--backend=127.0.0.1:2", "--cert=a", "--key=b"})
                            .problems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].find("--listen-name: 2 for 1"), 0u) << problems[0];
}

TEST(SidecarFlags, PeersOfProxyHeadersThatCannotComeAreRefused) {
  for (const auto& [listen, from] : {std::pair("--listen=127.0.0.1:1", "--proxy-from=unix"),
                                     std::pair("--listen=unix:@a", "--proxy-from=10.0.0.0/8")}) {
    const auto problems =
        Read({listen, from, "--backend=127.0.0.1:2", "--cert=a", "--key=b"}).problems;
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].find("--proxy-from: "), 0u) << problems[0];
  }
}

TEST(SidecarFlags, ThoseOfABackendThatSpeaksTlsMakeTheSameAsTheirKeys) {
  ExpectSame(
      FromFlags({"--listen=0.0.0.0:8443", "--backend=10.0.0.7:8443", "--cert=/tls.crt",
                 "--key=/tls.key", "--backend-ca=/backends.crt", "--backend-name=orders.svc",
                 "--backend-cert=/us.crt", "--backend-key=/us.key", "--backend-truncation=fin"}),
      FromFile(R"(
listeners: [{address: "0.0.0.0:8443"}]
routes:
  - name: sidecar
    tls: {mode: terminate-and-reencrypt, certificates: [{cert: /tls.crt, key: /tls.key}]}
    backends: [{address: "10.0.0.7:8443"}]
    backend_tls: {ca: /backends.crt, verify_name: orders.svc, cert: /us.crt, key: /us.key, truncation: fin}
)"));
}

TEST(SidecarFlags, ThoseThatAreNamedAsTheirKeysMakeTheSame) {
  ExpectSame(FromFlags({"--listen=0.0.0.0:8443",
                        "--backend=dns:orders.svc:8443",
                        "--cert=/tls.crt",
                        "--key=/tls.key",
                        "--backend-ca=system",
                        "--backend-name=orders.svc",
                        "--backend-sni=orders",
                        "--alpn=h2",
                        "--backend-alpn=h2",
                        "--deny-client-ip=10.1.0.0/16",
                        "--allow-client-ip=10.0.0.0/8",
                        "--allow-client-ip=192.0.2.1",
                        "--balance=random-two",
                        "--slow-start=20s",
                        "--health-check-kind=send-expect",
                        "--health-check-send=ping",
                        "--health-check-expect=pong",
                        "--health-check-interval=7s",
                        "--health-check-timeout=1s",
                        "--health-check-healthy-after=4",
                        "--health-check-unhealthy-after=5",
                        "--ejection-after-failures=8",
                        "--ejection-first=11s",
                        "--ejection-longest=12m",
                        "--ejection-keep-fraction=0.25",
                        "--dns-ttl-floor=2s",
                        "--dns-ttl-ceiling=3m",
                        "--dns-forget-after=4m",
                        "--dns-servers=127.0.0.1:53",
                        "--tcp-keepalive-interval=6s",
                        "--tcp-keepalive-probes=3"}),
             FromFile(R"(
listeners: [{address: "0.0.0.0:8443"}]
routes:
  - name: sidecar
    deny_ip: [10.1.0.0/16]
    allow_ip: [10.0.0.0/8, 192.0.2.1]
    tls: {mode: terminate-and-reencrypt, alpn: [h2], certificates: [{cert: /tls.crt, key: /tls.key}]}
    backends: [{address: "dns:orders.svc:8443"}]
    backend_tls: {verify_name: orders.svc, sni: orders, alpn: [h2]}
    balance: random-two
    slow_start: 20s
    health_check: {kind: send-expect, send: ping, expect: pong, interval: 7s, timeout: 1s, healthy_after: 4, unhealthy_after: 5}
    ejection: {after_failures: 8, first: 11s, longest: 12m, keep_fraction: 0.25}
    dns: {ttl_floor: 2s, ttl_ceiling: 3m, forget_after: 4m, servers: ["127.0.0.1:53"]}
    tcp: {keepalive_interval: 6s, keepalive_probes: 3}
)"));
}

// Every key is a flag, or is said by one of another form, or is of no use before one service: a new
// key is a flag by itself.
TEST(SidecarFlags, EveryKeyOfTheTableIsOneUnlessItIsSaidHere) {
  const std::set<std::string> no_flags = {"routes[].name",     "routes[].priority",
                                          "routes[].action",   "routes[].block_with_alert",
                                          "routes[].tls.mode", "routes[].tls.client_auth.allow",
                                          "routes[].log_level"};
  for (const KeyFacts& key : ConfigKeyFacts()) {
    const bool of_another_form =
        absl::StartsWith(key.path, "listeners") || absl::StartsWith(key.path, "routes[].match") ||
        absl::StartsWith(key.path, "routes[].backends") ||
        absl::StartsWith(key.path, "routes[].limits") ||
        absl::StartsWith(key.path, "routes[].kernel") || absl::StartsWith(key.path, "kernel") ||
        absl::StartsWith(key.path, "sandbox") ||
        absl::StartsWith(key.path, "routes[].tls.certificates") ||
        absl::StartsWith(key.path, "routes[].tls.tickets");
    if (key.has_keys || of_another_form || no_flags.count(key.path) > 0) continue;
    bool found = false;
    for (const KeyFlagGroup& group : KeyFlagGroups()) {
      for (const KeyFlag& flag : group.flags) found = found || flag.key == key.path;
    }
    EXPECT_TRUE(found) << key.path;
  }
}

TEST(SidecarFlags, NoTwoHaveOneName) {
  std::set<std::string> names;
  for (const FlagGroup& group : SidecarFlagGroups()) {
    EXPECT_FALSE(group.flags.empty()) << group.title;
    for (const Flag& flag : group.flags) {
      EXPECT_TRUE(names.insert(flag.name).second) << flag.name;
      EXPECT_FALSE(flag.help.empty()) << flag.name;
      // Other flags by their names, not by those of their keys.
      const std::string help = absl::StrReplaceAll(flag.help, {{"close_notify", ""}});
      for (size_t at = help.find('_'); at != std::string::npos; at = help.find('_', at + 1)) {
        EXPECT_FALSE(at > 0 && absl::ascii_islower(help[at - 1])) << flag.help;
      }
    }
  }
}

// The checks of the file, in the words of flags.
TEST(SidecarFlags, AContradictionNamesFlagsAndNotKeys) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--keep-alive-multiplier=3"}, "--keep-alive-multiplier needs --keep-alive=extended"},
      {{"--min-tls=1.3", "--max-tls=1.2"}, "--min-tls: 1.3 is newer than --max-tls, which is 1.2"},
      {{"--min-tls=1.3", "--ciphers=X"}, "--ciphers is for TLS 1.2, which --min-tls=1.3 excludes"},
      {{"--allow-uri=spiffe://a/b"},
       "--client-ca is missing: without it no client certificate can be verified"},
      {{"--client-crl=x"},
       "--client-ca is missing: without it no client certificate can be verified"},
      {{"--client-ca=x", "--client-cert=off"},
       "--client-ca contradicts --client-cert=off; use required or optional"},
      {{"--client-ca=x", "--allow-ip=300.1.2.3"}, "--allow-ip: "},
      {{"--backend-ca=x"},
       "--backend-name is missing: the DNS name or IP address that the backend's certificate must "
       "cover; or disable verification with --backend-insecure"},
      {{"--backend-ca=x", "--backend-insecure"},
       "--backend-ca contradicts --backend-insecure, which verifies nothing"},
      {{"--backend-ca=system", "--backend-insecure"},
       "--backend-ca contradicts --backend-insecure, which verifies nothing"},
      {{"--backend-name=x"}, "--backend-name needs --backend-ca or --backend-insecure"},
      {{"--backend-insecure", "--backend-cert=x"},
       "--backend-key is missing: the private key of --backend-cert"},
      {{"--backend=10.0.0.1:80"},
       "--backend: 10.0.0.1:80 is not on this machine, and traffic to it would cross the network "
       "unencrypted; use a loopback address or a UNIX socket, --backend-ca or --backend-insecure, "
       "or allow it with --unsafe-backend"},
      {{"--backend=127.0.0.1:1"},
       "--backend: 127.0.0.1:1 is --listen of this program, whose clients this route takes: each "
       "connection would lead to itself; name the service's own address"},
      {{"--forwarding-engine=nftables"},
       "--forwarding-engine: nftables needs tlsbridge run and a route that passes TLS through, "
       "since the kernel does not speak TLS; or use proxy"},
      {{"--health-check-interval=1s"},
       "--health-check-interval needs --health-check-kind=tcp, tls or send-expect"},
      {{"--dns-ttl-floor=10m"}, "--dns-ttl-floor: 10m is more than --dns-ttl-ceiling, which is 5m"},
      {{"--max-lifetime=soon"},
       "--max-lifetime: 'soon' is not allowed; expected duration, 0 or more, 0 is off, such as "
       "500ms, 30s, 5m or 1h30m"},
      {{"--admin-listen=0.0.0.0:9"},
       "--admin-listen: 0.0.0.0:9 is not allowed: the admin interface has no authentication; use a "
       "loopback address, unix:/PATH or unix:@NAME, and --metrics-listen=0.0.0.0:9 for Prometheus "
       "and kubelet, which need only metrics and probes"},
      {{"--listen=0.0.0.0:1"}, "--listen: overlaps 0.0.0.0:1 of --listen: cannot listen on both"},
  };
  for (const auto& [arguments, expected] : cases) {
    const std::vector<std::string> problems = ProblemsOf(arguments);
    const bool found = std::any_of(problems.begin(), problems.end(), [&](const auto& problem) {
      return absl::StartsWith(problem, expected);
    });
    EXPECT_TRUE(found) << expected << "\nis not in\n" << absl::StrJoin(problems, "\n");
    for (const std::string& problem : problems) {
      for (const char* word : {"_", "routes", "tls.", "mode:"}) {
        EXPECT_EQ(problem.find(word), std::string::npos) << problem;
      }
    }
  }
}

TEST(SidecarFlags, EveryMistakeIsToldAtOnce) {
  const auto problems =
      Read({"--listen=nowhere", "--max-lifetime=soon", "--log-level=loud"}).problems;
  std::vector<std::string> flags;
  for (const std::string& problem : problems)
    flags.push_back(problem.substr(0, problem.find_first_of(" :")));
  EXPECT_THAT(flags, ::testing::UnorderedElementsAre("--backend", "--cert", "--key", "--listen",
                                                     "--max-lifetime", "--log-level"));
}

// The reference's list of keys without a flag, with the reason for each, is whole and true.
TEST(FlagsAndKeys, TheReferenceSaysWhichKeysAreNoFlags) {
  const std::string reference = ConfigReference();
  const size_t begin = reference.find("## Flags and keys");
  ASSERT_NE(begin, std::string::npos);
  const std::string part = reference.substr(begin, reference.find("\n## ", begin) - begin);
  const auto listed = [&part](absl::string_view path) {
    return absl::StrContains(part, absl::StrCat("`", path, "`"));
  };
  // Said by --listen, --cert, --tickets and the like, or by a switch of every command.
  const std::set<std::string> by_other_flags = {
      "listeners[].address",
      "listeners[].name",
      "listeners[].proxy_protocol_from",
      "listeners[].proxy_protocol_from_unix",
      "routes[].backends[].address",
      "routes[].tls.certificates[].cert",
      "routes[].tls.certificates[].key",
      "routes[].tls.certificates[].ocsp",
      "routes[].tls.client_auth.allow",
      "routes[].tls.tickets.file",
      "routes[].tls.tickets.mode",
      "sandbox.enabled",
  };
  std::set<std::string> flags;
  for (const KeyFlagGroup& group : KeyFlagGroups()) {
    for (const KeyFlag& flag : group.flags) flags.insert(flag.key);
  }
  for (const KeyFacts& key : ConfigKeyFacts()) {
    if (key.has_keys) continue;
    const std::string parent = key.path.substr(0, key.path.rfind('.'));
    const bool is_flag = flags.count(key.path) + by_other_flags.count(key.path) > 0;
    EXPECT_NE(listed(key.path) || listed(parent), is_flag) << key.path;
  }
}

}  // namespace
}  // namespace tlsbridge
