#include <stdint.h>

#include "router/yaml/keys.h"
#include "router/yaml/values.h"

namespace tlsbridge::yaml {
namespace {

constexpr absl::Duration kOff = absl::ZeroDuration();
constexpr absl::Duration kLeast = absl::Milliseconds(1);
constexpr char kIsOff[] = "is off";

TypePtr<Match> MatchKeys() {
  return Object<Match>({
      Key::At<&Match::ports>("ports", ListOf(PortRangeType()), "of the listener"),
      Key::At<&Match::domains>(
          "domains", ListOf(DomainPatternType()),
          "of the client's SNI; * matches any SNI, and clients that send none"),
      Key::At<&Match::client_ip>("client_ip", ListOf(CidrType()), "of the client"),
      Key::At<&Match::alpn>("alpn", ListOf(ProtocolType()), "one that the client offers"),
      Key::At<&Match::tls_versions>(
          "tls_versions",
          ListOf(EnumType<TlsVersion>({{"1.2", TlsVersion::kTls12}, {"1.3", TlsVersion::kTls13}})),
          "the newest that the client offers"),
  });
}

TypePtr<Backend> BackendKeys() {
  return Object<Backend>({
      Key::At<&Backend::address>("address", BackendAddressType(),
                                 "HOST:PORT with a numeric host, [IPV6]:PORT, unix:/PATH, "
                                 "unix:@NAME, dns:NAME:PORT or srv:_SERVICE._PROTOCOL.NAME")
          .Required(),
      Key::At<&Backend::weight>("weight", WeightType(),
                                "share of connections relative to the other backends"),
      Key::At<&Backend::drain>("drain", BoolType(), "send no new connections; open ones continue"),
  });
}

TypePtr<HealthCheck> HealthCheckKeys() {
  using Kind = HealthCheck::Kind;
  return Object<HealthCheck>({
      Key::At<&HealthCheck::kind>(
          "kind",
          EnumType<Kind>({{"none", Kind::kNone},
                          {"tcp", Kind::kTcp},
                          {"tls", Kind::kTls},
                          {"send-expect", Kind::kSendExpect}}),
          "connect only, complete a TLS handshake, or send and compare the answer"),
      Key::At<&HealthCheck::send>("send", TextType("text"), "for send-expect: what to send"),
      Key::At<&HealthCheck::expect>("expect", TextType("text"),
                                    "for send-expect: what the answer begins with"),
      Key::At<&HealthCheck::interval>("interval", DurationType(absl::Milliseconds(100)),
                                      "time between checks, varied by 20 % each way"),
      Key::At<&HealthCheck::timeout>("timeout", DurationType(kLeast),
                                     "time limit of a whole check"),
      Key::At<&HealthCheck::healthy_after>(
          "healthy_after", IntType("checks", 1, 1000),
          "consecutive successes after which a backend is healthy"),
      Key::At<&HealthCheck::unhealthy_after>(
          "unhealthy_after", IntType("checks", 1, 1000),
          "consecutive failures after which a backend is unhealthy"),
  });
}

TypePtr<Ejection> EjectionKeys() {
  return Object<Ejection>({
      Key::At<&Ejection::after_failures>(
          "after_failures", IntType("connections", 0, 1000000, "never ejects"),
          "consecutive failed connections after which a backend is ejected"),
      Key::At<&Ejection::first>("first", DurationType(kLeast),
                                "how long an ejection lasts; doubled by each further one"),
      Key::At<&Ejection::longest>("longest", DurationType(kLeast),
                                  "maximum duration of an ejection"),
      Key::At<&Ejection::keep_fraction>(
          "keep_fraction", NumberType(0, 1),
          "share of the backends that always stays in use: none is ejected if fewer would be left; "
          "if health checks leave fewer, they are ignored and all backends are used. An unhealthy "
          "backend is also tried after all healthy ones. 0 always obeys the checks"),
  });
}

TypePtr<DnsSettings> DnsKeys() {
  return Object<DnsSettings>({
      Key::At<&DnsSettings::ttl_floor>("ttl_floor", DurationType(kLeast),
                                       "minimum lifetime of a record, whatever its TTL"),
      Key::At<&DnsSettings::ttl_ceiling>("ttl_ceiling", DurationType(kLeast),
                                         "maximum lifetime of a record, whatever its TTL"),
      Key::At<&DnsSettings::forget_after>(
          "forget_after", DurationType(absl::ZeroDuration()),
          "how long a name keeps its addresses once DNS answers that it has none (NXDOMAIN); while "
          "DNS fails or times out they are kept"),
      Key::At<&DnsSettings::servers>(
          "servers", ListOf(AddressType()),
          "name servers, HOST:PORT; those of /etc/resolv.conf if omitted"),
  });
}

template <auto Member>
Key TimeoutKey(std::string name, absl::Duration least, std::string doc) {
  return Key::At<&Route::timeouts, Member>(
      std::move(name), DurationType(least, least == kOff ? kIsOff : ""), std::move(doc));
}

TypePtr<Route> TimeoutKeys() {
  return Object<Route>({
      TimeoutKey<&Timeouts::handshake>("handshake", kLeast,
                                       "how long a client may take for its TLS handshake"),
      TimeoutKey<&Timeouts::connect>(
          "connect", kLeast, "how long connecting to a backend may take, all attempts together"),
      Key::At<&Route::timeouts, &Timeouts::connect_attempts>(
          "connect_attempts", IntType("backends", 1, 100),
          "maximum number of backends that are tried, each for its share of connect, at least 1s"),
      TimeoutKey<&Timeouts::initial_data>(
          "initial_data", kOff, "how long a new connection may stay without a byte either way"),
      TimeoutKey<&Timeouts::inactivity>("inactivity", kOff,
                                        "how long a connection may stay without a byte either way"),
      TimeoutKey<&Timeouts::half_close>("half_close", kOff,
                                        "the same, once one side has ended its stream"),
      TimeoutKey<&Timeouts::max_lifetime>("max_lifetime", kOff,
                                          "how long a connection may live, varied by 5 % each way; "
                                          "then it has drain_timeout to become idle"),
      Key::At<&Route::bridge, &BridgeOptions::grace>(
          "close_grace", DurationType(kLeast),
          "how long a socket may take to close gracefully before it is reset"),
  });
}

template <auto Member, class T>
Key TcpKey(std::string name, T type, std::string doc) {
  return Key::At<&Route::bridge, &BridgeOptions::tcp, Member>(std::move(name), std::move(type),
                                                              std::move(doc));
}

TypePtr<Route> TcpKeys() {
  return Object<Route>({
      TcpKey<&TcpOptions::keepalive_idle>(
          "keepalive_idle", DurationType(kOff, kIsOff),
          "idle time after which the kernel probes a peer (not a backend on loopback)"),
      TcpKey<&TcpOptions::keepalive_interval>("keepalive_interval", DurationType(absl::Seconds(1)),
                                              "time between probes"),
      TcpKey<&TcpOptions::keepalive_probes>(
          "keepalive_probes", IntType("probes", 1, 127),
          "unanswered probes that end a connection, where user_timeout is off"),
      TcpKey<&TcpOptions::user_timeout>("user_timeout",
                                        DurationType(kOff, "is the kernel's own limit"),
                                        "how long sent data may stay unacknowledged or a peer's "
                                        "window closed (TCP_USER_TIMEOUT)"),
  });
}

TypePtr<KeepAlive> KeepAliveKeys() {
  using Treatment = KeepAliveTreatment;
  return Object<KeepAlive>({
      Key::At<&KeepAlive::treatment>("treatment",
                                     EnumType<Treatment>({{"standard", Treatment::kStandard},
                                                          {"extended", Treatment::kExtended},
                                                          {"immortal", Treatment::kImmortal}}),
                                     "how the inactivity timeout applies: as it is, multiplied and "
                                     "with a warning before the end, or not at all"),
      Key::At<&KeepAlive::multiplier>("multiplier", NumberType(1, 1000),
                                      "for extended: factor for the inactivity timeout"),
      Key::At<&KeepAlive::warning>("warning", DurationType(kOff, "logs none"),
                                   "for extended: how long before the end a warning is logged"),
  });
}

TypePtr<RouteKernel> RouteKernelKeys() {
  using Source = KernelSource;
  using Missed = KernelMissed;
  return Object<RouteKernel>({
      Key::At<&RouteKernel::source>(
          "source",
          EnumType<Source>({{"masquerade", Source::kMasquerade}, {"keep", Source::kKeep}}),
          "source address that backends see: this machine's, or the client's, for which backends "
          "must route replies through this machine"),
      Key::At<&RouteKernel::missed>(
          "missed", EnumType<Missed>({{"forward", Missed::kForward}, {"refuse", Missed::kRefuse}}),
          "clients that the kernel does not forward (local ones, and all while no backend is "
          "usable): forward them by this program, or refuse them with nftables_handled"),
  });
}

}  // namespace

TypePtr<Route> RouteKeys() {
  using Engine = ForwardingEngine;
  return Object<Route>({
      Key::At<&Route::name>("name", RouteNameType(), "name in the log and in /routes; unique")
          .Required(),
      Key::At<&Route::priority>("priority", IntType("", -1000000, 1000000),
                                "higher wins; then the more specific match, then the first"),
      Key::At<&Route::match>("match", MatchKeys(),
                             "connections that the route takes: every list that is given must have "
                             "a member that matches"),
      Key::At<&Route::deny_ip>("deny_ip", ListOf(CidrType()),
                               "clients to refuse; checked before allow_ip"),
      Key::At<&Route::allow_ip>("allow_ip", ListOf(CidrType()),
                                "clients to allow; if given, all others are refused"),
      Key::At<&Route::action>("action",
                              EnumType<RouteAction>({{"forward", RouteAction::kForward},
                                                     {"block", RouteAction::kBlock}}),
                              "bridge to a backend, or refuse"),
      Key::At<&Route::block_with_alert>(
          "block_with_alert", BoolType(),
          "for block: send a TLS alert before closing, so that clients see why"),
      Key::Group("tls", TlsKeys(), "TLS with clients"),
      Key::At<&Route::forwarding_engine>(
          "forwarding_engine",
          EnumType<Engine>({{"proxy", Engine::kProxy}, {"nftables", Engine::kNftables}}),
          "what forwards the bytes: this program, or the kernel's packet filter (see Forwarding by "
          "the kernel)"),
      Key::At<&Route::kernel>("kernel", RouteKernelKeys(), "for nftables"),
      Key::At<&Route::backends>("backends", ListOf(BackendKeys(), 1), "where connections go"),
      Key::At<&Route::unsafe_backend>("unsafe_backend", BoolType(),
                                      "allow plaintext to backends that are neither on loopback "
                                      "nor UNIX sockets; without it only "
                                      "the loopback addresses of a name are used"),
      Key::At<&Route::balance>("balance",
                               EnumType<Balance>({{"round-robin", Balance::kRoundRobin},
                                                  {"least-connections", Balance::kLeastConnections},
                                                  {"source-hash", Balance::kSourceHash},
                                                  {"random-two", Balance::kRandomTwo}}),
                               "load balancing policy"),
      Key::At<&Route::health>("health_check", HealthCheckKeys(),
                              "active health checks of backends"),
      Key::At<&Route::ejection>("ejection", EjectionKeys(),
                                "ejection of backends after failures of real connections"),
      Key::At<&Route::slow_start>(
          "slow_start", DurationType(kOff, kIsOff),
          "how long a backend that has recovered takes to reach its full share"),
      Key::At<&Route::dns>("dns", DnsKeys(), "lookups of dns: and srv: backends"),
      Key::Group("backend_tls", BackendTlsKeys(), "TLS with backends, for terminate-and-reencrypt"),
      Key::At<&Route::send_proxy>("send_proxy_protocol",
                                  EnumType<ProxyProtocol>({{"none", ProxyProtocol::kNone},
                                                           {"v1", ProxyProtocol::kV1},
                                                           {"v2", ProxyProtocol::kV2}}),
                                  "PROXY protocol header that backends are sent first; health "
                                  "checks send one too, without a client address"),
      Key::Group("timeouts", TimeoutKeys(), "time limits"),
      Key::Group("tcp", TcpKeys(), "socket options, of both sides"),
      Key::At<&Route::keep_alive>("keep_alive", KeepAliveKeys(), "treatment of idle connections"),
      Key::At<&Route::limits>("limits", RouteLimitKeys(), "limits of this route"),
      Key::At<&Route::log_level>("log_level", Optional(LogLevelType()),
                                 "minimum level for log lines of its connections, instead of "
                                 "log.level; not if that is off"),
  });
}

}  // namespace tlsbridge::yaml
