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
      Key::At<&Match::domains>("domains", ListOf(DomainPatternType()),
                               "of the client's SNI; * is any and none"),
      Key::At<&Match::client_ip>("client_ip", ListOf(CidrType()), "of the client"),
      Key::At<&Match::alpn>("alpn", ListOf(ProtocolType()), "one that the client offers"),
      Key::At<&Match::tls_versions>(
          "tls_versions",
          ListOf(EnumType<TlsVersion>({{"1.2", TlsVersion::kTls12}, {"1.3", TlsVersion::kTls13}})),
          "the best that the client offers"),
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
      Key::At<&Backend::drain>("drain", BoolType(), "no new connections; open ones continue"),
  });
}

TypePtr<HealthCheck> HealthCheckKeys() {
  using Kind = HealthCheck::Kind;
  return Object<HealthCheck>({
      Key::At<&HealthCheck::kind>("kind",
                                  EnumType<Kind>({{"none", Kind::kNone},
                                                  {"tcp", Kind::kTcp},
                                                  {"tls", Kind::kTls},
                                                  {"send-expect", Kind::kSendExpect}}),
                                  "connect, connect and shake hands, or send and compare the "
                                  "answer"),
      Key::At<&HealthCheck::send>("send", TextType("text"), "for send-expect: what is sent"),
      Key::At<&HealthCheck::expect>("expect", TextType("text"),
                                    "for send-expect: what the answer begins with"),
      Key::At<&HealthCheck::interval>("interval", DurationType(absl::Milliseconds(100)),
                                      "from one check to the next, varied by 20 % each way"),
      Key::At<&HealthCheck::timeout>("timeout", DurationType(kLeast), "for the whole check"),
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
          "none is taken out when fewer than this share of the backends would be left; where "
          "checks "
          "leave fewer than that healthy, they are ignored and all are used, and so is an "
          "unhealthy "
          "one when the healthy have been tried; 0 obeys checks always"),
  });
}

TypePtr<DnsSettings> DnsKeys() {
  return Object<DnsSettings>({
      Key::At<&DnsSettings::ttl_floor>("ttl_floor", DurationType(kLeast),
                                       "a record lives this long at least, whatever its TTL"),
      Key::At<&DnsSettings::ttl_ceiling>("ttl_ceiling", DurationType(kLeast),
                                         "a record lives this long at most, whatever its TTL"),
      Key::At<&DnsSettings::forget_after>(
          "forget_after", DurationType(absl::ZeroDuration()),
          "how long a name keeps its addresses once DNS says that it has none; failures and "
          "time-outs keep them as long as they last"),
      Key::At<&DnsSettings::servers>(
          "servers", ListOf(AddressType()),
          "name servers to ask, HOST:PORT; those of /etc/resolv.conf if omitted"),
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
      TimeoutKey<&Timeouts::connect>("connect", kLeast,
                                     "how long backends may take to accept, all attempts together"),
      Key::At<&Route::timeouts, &Timeouts::connect_attempts>(
          "connect_attempts", IntType("backends", 1, 100),
          "maximum number of backends that are tried, each for its share of connect, at least 1s"),
      TimeoutKey<&Timeouts::initial_data>(
          "initial_data", kOff, "how long a new connection may stay without a byte either way"),
      TimeoutKey<&Timeouts::inactivity>("inactivity", kOff,
                                        "how long a connection may stay without a byte either way"),
      TimeoutKey<&Timeouts::half_close>("half_close", kOff,
                                        "the same, once one peer has ended its bytes"),
      TimeoutKey<&Timeouts::max_lifetime>(
          "max_lifetime", kOff,
          "how long a connection may live, varied by 5 % each way; then it has drain_timeout to "
          "fall idle"),
      Key::At<&Route::bridge, &BridgeOptions::grace>(
          "close_grace", DurationType(kLeast),
          "how long a socket may take to end gracefully before it is destroyed"),
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
          "silence after which the kernel probes a peer (no backend on loopback)"),
      TcpKey<&TcpOptions::keepalive_interval>("keepalive_interval", DurationType(absl::Seconds(1)),
                                              "from one probe to the next"),
      TcpKey<&TcpOptions::keepalive_probes>(
          "keepalive_probes", IntType("probes", 1, 127),
          "unanswered probes that end a connection, where user_timeout is off"),
      TcpKey<&TcpOptions::user_timeout>(
          "user_timeout", DurationType(kOff, "is the kernel's own limit"),
          "how long a peer may leave sent bytes unacknowledged or take none (TCP_USER_TIMEOUT)"),
  });
}

TypePtr<KeepAlive> KeepAliveKeys() {
  using Treatment = KeepAliveTreatment;
  return Object<KeepAlive>({
      Key::At<&KeepAlive::treatment>("treatment",
                                     EnumType<Treatment>({{"standard", Treatment::kStandard},
                                                          {"extended", Treatment::kExtended},
                                                          {"immortal", Treatment::kImmortal}}),
                                     "the inactivity timeout as it is, multiplied with a warning "
                                     "before the end, or none"),
      Key::At<&KeepAlive::multiplier>("multiplier", NumberType(1, 1000),
                                      "for extended: what the inactivity timeout is multiplied by"),
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
          "what backends see: this machine's address, or the client's; then they must have their "
          "route back through this machine"),
      Key::At<&RouteKernel::missed>(
          "missed", EnumType<Missed>({{"forward", Missed::kForward}, {"refuse", Missed::kRefuse}}),
          "clients that the kernel leaves to this program (local ones, and all of them while no "
          "backend is good): forward them, or refuse them with nftables_handled"),
  });
}

}  // namespace

TypePtr<Route> RouteKeys() {
  using Engine = ForwardingEngine;
  return Object<Route>({
      Key::At<&Route::name>("name", RouteNameType(), "in the log and in /routes; no two are equal")
          .Required(),
      Key::At<&Route::priority>("priority", IntType("", -1000000, 1000000),
                                "higher wins; then the more specific match, then the order"),
      Key::At<&Route::match>("match", MatchKeys(),
                             "which connections it is for: every list that is given must have a "
                             "member that matches"),
      Key::At<&Route::deny_ip>("deny_ip", ListOf(CidrType()),
                               "clients that are refused; asked before allow_ip"),
      Key::At<&Route::allow_ip>("allow_ip", ListOf(CidrType()),
                                "if given, other clients are refused"),
      Key::At<&Route::action>("action",
                              EnumType<RouteAction>({{"forward", RouteAction::kForward},
                                                     {"block", RouteAction::kBlock}}),
                              "bridge to a backend, or refuse"),
      Key::At<&Route::block_with_alert>(
          "block_with_alert", BoolType(),
          "for block: send a TLS alert before the end, so that a client sees why"),
      Key::Group("tls", TlsKeys(), "TLS with clients"),
      Key::At<&Route::forwarding_engine>(
          "forwarding_engine",
          EnumType<Engine>({{"proxy", Engine::kProxy}, {"nftables", Engine::kNftables}}),
          "who moves the bytes: this program, or the kernel's packet filter (see Forwarding by the "
          "kernel)"),
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
                               "how a backend is chosen"),
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
                                  "PROXY protocol header in front of what backends get; checks of "
                                  "their health send one, too, without a client address"),
      Key::Group("timeouts", TimeoutKeys(), "how long things may take"),
      Key::Group("tcp", TcpKeys(), "socket options, of both sides"),
      Key::At<&Route::keep_alive>("keep_alive", KeepAliveKeys(), "treatment of idle connections"),
      Key::At<&Route::limits>("limits", RouteLimitKeys(), "limits of this route"),
      Key::At<&Route::log_level>("log_level", Optional(LogLevelType()),
                                 "the least level of its connections' lines, in place of "
                                 "log.level; not where that is off"),
  });
}

}  // namespace tlsbridge::yaml
