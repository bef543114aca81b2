// Everything that the program can be told, as plain values with safe defaults. Made from flags or a
// file; nothing below reads either, and nothing here has been loaded or looked up yet.
//
// Thread: any; values. Owner: whoever made it. Failure: none; who fills it in checks it.
#pragma once

#include <stdint.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bridge/bridge_options.h"
#include "bridge/socket_address.h"
#include "router/config/cidr.h"
#include "router/log/log.h"

namespace tlsbridge {

// ---- How long things may take. Zero turns a timeout off.

struct Timeouts {
  absl::Duration handshake = absl::Seconds(10);
  // For all attempts together, if the first backend does not answer.
  absl::Duration connect = absl::Seconds(5);
  // From the backend's connection to the first byte either way: a server-first protocol is not cut
  // by it.
  absl::Duration initial_data = absl::Seconds(60);
  // Without a byte either way.
  absl::Duration inactivity = absl::Hours(4);
  // Without a byte, once one peer has ended its stream. A slow peer that still takes what is
  // buffered for it is not silent.
  absl::Duration half_close = absl::Seconds(60);
  // Varied by 5 % each way, so that connections made together do not end together. A connection in
  // use then has Shutdown::drain_timeout to fall idle.
  absl::Duration max_lifetime = absl::Hours(24);
  // Backends that are tried at most, one after the other.
  int connect_attempts = 3;

  bool operator==(const Timeouts&) const = default;
};

enum class KeepAliveTreatment : uint8_t {
  kStandard,  // the inactivity timeout as it is
  kExtended,  // multiplied; a warning is logged before the end
  kImmortal,  // no inactivity timeout
};

struct KeepAlive {
  KeepAliveTreatment treatment = KeepAliveTreatment::kStandard;
  double multiplier = 6;
  // How long before the end of an extended connection the warning is logged; half of its timeout at
  // most.
  absl::Duration warning = absl::Minutes(10);

  bool operator==(const KeepAlive&) const = default;
};

// ---- How many there may be. Zero means no limit, except for `connections` of the whole program,
// where it means what descriptors and memory allow, and for handshakes.

struct Limits {
  int64_t connections = 0;
  // These two are off by default: behind a gateway or another proxy all clients share one address.
  int64_t connections_per_ip = 0;
  int64_t new_per_ip_per_minute = 0;
  // Of the whole program only: handshakes that wait for us at a time. Zero:
  // HandshakeLimit::kDefaultPerWorker for each worker.
  int64_t handshakes = 0;
  // Likewise: those of one client address that are not finished, whoever they wait for. Zero: half
  // of what there may be, as Admission says.
  int64_t handshakes_per_ip = 0;

  bool operator==(const Limits&) const = default;
};

// ---- Where connections come in.

struct Listener {
  SocketAddress address;
  std::string name;  // of a socket of systemd's that may be it; empty: it goes by its address
  // Peers that must begin with a PROXY protocol header (version 1 or 2). Others must not.
  std::vector<Cidr> proxy_protocol_from;
  // A UNIX listener has no peer addresses: whether everybody there must begin with the header.
  bool proxy_protocol_from_unix = false;

  bool operator==(const Listener&) const = default;
};

// ---- Which connections a route is for. An empty list matches all; a list matches if one of its
// members does; all lists must match.

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;  // inclusive

  bool Contains(uint16_t port) const { return first <= port && port <= last; }

  bool operator==(const PortRange&) const = default;
};

enum class TlsVersion : uint8_t { kTls12, kTls13 };

struct Match {
  std::vector<PortRange> ports;      // of the listener
  std::vector<std::string> domains;  // lower case; "orders.internal", "*.internal" (one label), "*"
  std::vector<Cidr> client_ip;
  std::vector<std::string> alpn;         // one of what the client offers
  std::vector<TlsVersion> tls_versions;  // the best that the client offers

  // Whether clients of a listener on `port` can match.
  bool TakesPort(uint16_t port) const {
    const auto holds = [port](const PortRange& range) { return range.Contains(port); };
    return ports.empty() || std::any_of(ports.begin(), ports.end(), holds);
  }

  bool operator==(const Match&) const = default;
};

// ---- TLS with clients.

enum class TlsMode : uint8_t {
  kTerminate,
  kPassthrough,            // routed by the ClientHello; bytes untouched
  kTerminateAndReencrypt,  // TLS to the backend, too
};

struct CertificateFiles {
  std::string cert;  // PEM: the leaf, then its chain
  std::string key;   // PEM, unencrypted; may be the same file
  std::string ocsp;  // DER of an OCSP response to staple; empty for none

  bool operator==(const CertificateFiles&) const = default;
};

enum class ClientCertificateMode : uint8_t {
  kOff,
  kOptional,  // a client without one is let in; one that has one must pass
  kRequired,
};

struct ClientAuth {
  ClientCertificateMode mode = ClientCertificateMode::kOff;
  std::string ca;                  // PEM file
  std::string crl;                 // PEM file; empty for none
  std::vector<std::string> allow;  // as tls::AllowRules::Parse takes them
  bool observe_only = false;       // let in and log what would have been refused

  bool operator==(const ClientAuth&) const = default;
};

enum class TicketMode : uint8_t {
  kAuto,    // random keys, rotated in this process
  kFile,    // keys in a file
  kShared,  // derived from a secret file and the clock, so that replicas agree
  kOff,
};

struct Tickets {
  TicketMode mode = TicketMode::kAuto;
  std::string file;  // of keys or of the secret

  bool operator==(const Tickets&) const = default;
};

struct ServerTls {
  std::vector<CertificateFiles> certificates;
  std::vector<std::string> alpn;  // in order of preference; empty negotiates none
  TlsVersion min_version = TlsVersion::kTls12;
  TlsVersion max_version = TlsVersion::kTls13;
  std::string ciphers;  // of TLS 1.2, as BoringSSL names them; empty is the safe default
  std::string groups;   // empty is the safe default
  bool refuse_unknown_sni = false;  // else the first certificate answers
  ClientAuth client;
  Tickets tickets;

  bool operator==(const ServerTls&) const = default;
};

// ---- Backends.

struct BackendAddress {
  enum class Kind : uint8_t {
    kSocket,  // an address, or a UNIX path
    kDns,     // dns:NAME:PORT
    kSrv,     // srv:_service._tcp.name
  };
  Kind kind = Kind::kSocket;
  SocketAddress socket;  // kSocket
  std::string name;      // kDns, kSrv
  uint16_t port = 0;     // kDns

  std::string ToString() const;

  bool operator==(const BackendAddress&) const = default;
};

struct Backend {
  BackendAddress address;
  uint32_t weight = 1;  // zero gets nothing
  bool drain = false;   // no new connections; those that are open go on

  bool operator==(const Backend&) const = default;
};

enum class Balance : uint8_t { kRoundRobin, kLeastConnections, kSourceHash, kRandomTwo };

struct HealthCheck {
  enum class Kind : uint8_t { kNone, kTcp, kTls, kSendExpect };
  Kind kind = Kind::kNone;
  std::string send;                            // kSendExpect
  std::string expect;                          // what the answer begins with
  absl::Duration interval = absl::Seconds(5);  // varied by 20 % each way
  absl::Duration timeout = absl::Seconds(2);
  int healthy_after = 2;    // successes in a row
  int unhealthy_after = 3;  // failures in a row

  bool operator==(const HealthCheck&) const = default;
};

// Taking a backend out after failures of real connections.
struct Ejection {
  int after_failures = 5;                    // in a row; zero never ejects
  absl::Duration first = absl::Seconds(10);  // doubled by each further ejection
  absl::Duration longest = absl::Minutes(5);
  double keep_fraction = 0.5;  // never eject when fewer than this share would be left

  bool operator==(const Ejection&) const = default;
};

struct DnsSettings {
  // The record's TTL, but within these.
  absl::Duration ttl_floor = absl::Seconds(1);
  absl::Duration ttl_ceiling = absl::Minutes(5);
  // How long a name that is said not to exist, or to have no address, keeps those that it had: DNS
  // that is being changed says so for a moment. What does not answer at all keeps them for ever.
  absl::Duration forget_after = absl::Minutes(1);
  // For one lookup, all attempts together.
  absl::Duration timeout = absl::Seconds(5);
  // Name servers to ask; empty: those of /etc/resolv.conf.
  std::vector<SocketAddress> servers;

  bool operator==(const DnsSettings&) const = default;
};

struct BackendTls {
  std::string ca;           // PEM file; empty: the system's
  std::string verify_name;  // DNS name or IP address that the certificate must be for
  std::string sni;          // empty: verify_name, if it is a DNS name
  std::string cert;         // client certificate; empty for none
  std::string key;
  std::vector<std::string> alpn;
  bool insecure_skip_verify = false;

  bool operator==(const BackendTls&) const = default;
};

enum class ProxyProtocol : uint8_t { kNone, kV1, kV2 };

// ---- Routes.

enum class RouteAction : uint8_t {
  kForward,
  kBlock,  // refuse, as Route::block_with_alert says
};

enum class ForwardingEngine : uint8_t { kProxy, kNftables };

// What a backend of a kNftables route sees as its client's address.
enum class KernelSource : uint8_t {
  kMasquerade,  // this machine's; answers come back by themselves
  kKeep,        // the client's; backends must have their route back through this machine
};

// Clients of a kNftables route that the kernel does not take: there is no good backend, they are
// local, or over a limit.
enum class KernelMissed : uint8_t {
  kForward,  // by this program
  kRefuse,   // with nftables_handled
};

struct RouteKernel {
  KernelSource source = KernelSource::kMasquerade;
  KernelMissed missed = KernelMissed::kForward;

  bool operator==(const RouteKernel&) const = default;
};

struct Route {
  std::string name;
  int priority = 0;  // higher is asked first; then the more specific match, then the order
  Match match;
  // Refused with `denied`. Deny comes first; an empty allow list allows all.
  std::vector<Cidr> deny_ip;
  std::vector<Cidr> allow_ip;

  RouteAction action = RouteAction::kForward;
  bool block_with_alert = true;  // a TLS alert before the end, so that a client sees why

  TlsMode tls_mode = TlsMode::kTerminate;
  ServerTls tls;

  ForwardingEngine forwarding_engine = ForwardingEngine::kProxy;
  RouteKernel kernel;  // kNftables

  std::vector<Backend> backends;
  // Plaintext may go to backends that are not on this machine.
  bool unsafe_backend = false;
  Balance balance = Balance::kRoundRobin;
  HealthCheck health;
  Ejection ejection;
  absl::Duration slow_start;  // a backend that comes back gets its full share only after this
  DnsSettings dns;
  BackendTls backend_tls;  // kTerminateAndReencrypt
  ProxyProtocol send_proxy = ProxyProtocol::kNone;

  Timeouts timeouts;
  KeepAlive keep_alive;
  BridgeOptions bridge;
  Limits limits;
  std::optional<LogLevel> log_level;  // of its connections' lines; none: LogSettings::level

  bool operator==(const Route&) const = default;
};

struct Shutdown {
  // After SIGTERM, accepting goes on for this long, while load balancers take notice.
  absl::Duration drain_delay;
  // Then connections have this long to end by themselves; also those that are too old. With the
  // grace of closing, and what may hang at the end, it fits into the 30 s after which Kubernetes
  // kills a process (terminationGracePeriodSeconds).
  absl::Duration drain_timeout = absl::Seconds(25);

  bool operator==(const Shutdown&) const = default;
};

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  bool starts = false;  // a line when a connection begins, too

  bool operator==(const LogSettings&) const = default;
};

// What the process may still do once it serves (router/host/sandbox.h).
struct SandboxSettings {
  bool enabled = true;
  std::vector<std::string> read;  // folders, beside those of the files that are named

  bool operator==(const SandboxSettings&) const = default;
};

// More threads than this are a mistake.
inline constexpr int kMostWorkers = 1024;

// ---- Forwarding by the kernel, of all routes that have it together.

enum class KernelOnExit : uint8_t {
  kRemove,  // open flows are cut, as by the end of any proxy
  kKeep,    // they and new ones go on while the program is away; Linux 6.9
};

// When this kernel, or this process, cannot do it.
enum class KernelUnavailable : uint8_t {
  kRefuse,  // to start
  kProxy,   // this program forwards instead
};

struct KernelSettings {
  std::string table = "tlsbridge";
  KernelOnExit on_exit = KernelOnExit::kRemove;
  KernelUnavailable unavailable = KernelUnavailable::kRefuse;

  bool operator==(const KernelSettings&) const = default;
};

struct Config {
  std::vector<Listener> listeners;
  std::vector<Route> routes;
  std::optional<SocketAddress> admin;  // loopback or a UNIX path
  // Metrics and probes alone, for anybody who reaches it.
  std::optional<SocketAddress> metrics;
  Limits limits;
  KernelSettings kernel;
  Shutdown shutdown;
  LogSettings log;
  SandboxSettings sandbox;
  int workers = 0;  // zero: one for each core that this process may use

  bool operator==(const Config&) const = default;
};

}  // namespace tlsbridge
