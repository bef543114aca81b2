// Flags and files are two ways to say the same: each row is said in both.

#include "tools/tlsbridge/sidecar_flags.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/flags/reflection.h"
#include "gtest/gtest.h"
#include "router/yaml/parse_config.h"

namespace tlsbridge {
namespace {

Config FromFlags(std::vector<std::string> arguments) {
  const absl::FlagSaver saver;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  const absl::Status status = ParseFlags(argv, SidecarFlagGroups());
  EXPECT_TRUE(status.ok()) << status;
  const absl::StatusOr<Config> config = SidecarConfigFromFlags();
  EXPECT_TRUE(config.ok()) << config.status();
  return config.value_or(Config());
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
                        "--workers=24",
                        "--drain-delay=22s",
                        "--drain-timeout=23s",
                        "--admin-listen=127.0.0.1:9901",
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
admin: {address: "127.0.0.1:9901"}
limits: {connections: 19, connections_per_ip: 20, rate_per_ip_per_minute: 21, handshakes: 25}
shutdown: {drain_delay: 22s, drain_timeout: 23s}
workers: 24
log: {level: warning, format: json}
)"));
}

TEST(SidecarFlags, PeersOfProxyHeadersThatCannotComeAreRefused) {
  for (const auto& [listen, from] : {std::pair("--listen=127.0.0.1:1", "--proxy-from=unix"),
                                     std::pair("--listen=unix:@a", "--proxy-from=10.0.0.0/8")}) {
    const absl::FlagSaver saver;
    std::vector<std::string> arguments = {listen, from, "--backend=127.0.0.1:2", "--cert=a",
                                          "--key=b"};
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    ASSERT_TRUE(ParseFlags(argv, SidecarFlagGroups()).ok());
    const absl::Status status = SidecarConfigFromFlags().status();
    EXPECT_EQ(status.message().find("--proxy-from: "), 0u) << status;
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

}  // namespace
}  // namespace tlsbridge
