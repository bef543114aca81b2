#include "tools/tlsbridge/service_flags.h"

#include <stdint.h>

#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

// Names with dashes on the command line have underscores here.
ABSL_FLAG(
    tlsbridge::ValueList, listen, {},
    "Address that clients connect to: HOST:PORT, [IPV6]:PORT or unix:/PATH. May be repeated.");

ABSL_FLAG(absl::Duration, handshake_timeout, tlsbridge::Timeouts().handshake,
          "How long a client may take for its TLS handshake.");
ABSL_FLAG(absl::Duration, connect_timeout, tlsbridge::Timeouts().connect,
          "How long the backend may take to accept a connection.");
ABSL_FLAG(absl::Duration, initial_data_timeout, tlsbridge::Timeouts().initial_data,
          "How long a new connection may stay without a byte either way; 0 is off.");
ABSL_FLAG(absl::Duration, inactivity_timeout, tlsbridge::Timeouts().inactivity,
          "How long a connection may stay without a byte either way; 0 is off.");
ABSL_FLAG(absl::Duration, half_close_timeout, tlsbridge::Timeouts().half_close,
          "How long it may stay without a byte once one peer has ended its stream; 0 is off.");
ABSL_FLAG(absl::Duration, max_lifetime, tlsbridge::Timeouts().max_lifetime,
          "How long a connection may live, varied by 5 %; one in use then has --drain-timeout to "
          "fall idle. 0 is off.");
ABSL_FLAG(std::string, keep_alive, "standard",
          "Treatment of idle connections: standard, extended (the inactivity timeout times "
          "--keep-alive-multiplier, with a warning before the end) or immortal.");
ABSL_FLAG(double, keep_alive_multiplier, tlsbridge::KeepAlive().multiplier,
          "What --keep-alive=extended multiplies by.");
ABSL_FLAG(absl::Duration, keep_alive_warning, tlsbridge::KeepAlive().warning,
          "How long before the end of an extended connection a warning is logged.");
ABSL_FLAG(absl::Duration, close_grace, tlsbridge::BridgeOptions().grace,
          "How long a socket may take to end gracefully before it is destroyed.");
ABSL_FLAG(absl::Duration, tcp_keepalive, tlsbridge::TcpOptions().keepalive_idle,
          "Silence after which the kernel probes a peer; 0 is off.");
ABSL_FLAG(
    absl::Duration, tcp_user_timeout, tlsbridge::TcpOptions().user_timeout,
    "How long a peer may leave sent bytes unacknowledged or take none (TCP_USER_TIMEOUT); 0 is "
    "the kernel's own limit.");

ABSL_FLAG(int, connect_attempts, tlsbridge::Timeouts().connect_attempts,
          "How many backends are tried at most, each for its share of --connect-timeout and 1s at "
          "least.");

ABSL_FLAG(int64_t, max_connections, 0,
          "Connections in all; 0 is what descriptors and memory allow.");
ABSL_FLAG(int64_t, max_connections_per_ip, 0,
          "Connections from one client address (IPv6: one /64); 0 is no limit.");
ABSL_FLAG(int64_t, max_new_per_ip_per_minute, 0,
          "New connections from one client address a minute; 0 is no limit.");
ABSL_FLAG(int64_t, max_handshakes, 0,
          "Handshakes in progress in all, those that wait for their turn included; one more is "
          "refused at once. 0 is 5000 for each worker.");

ABSL_FLAG(int, workers, 0, "Threads that serve; 0 is one for each core that may be used.");

ABSL_FLAG(absl::Duration, drain_delay, tlsbridge::Shutdown().drain_delay,
          "After SIGTERM, go on accepting for this long, while load balancers take notice.");
ABSL_FLAG(absl::Duration, drain_timeout, tlsbridge::Shutdown().drain_timeout,
          "Then wait this long for connections to end by themselves.");

ABSL_FLAG(
    std::string, admin_listen, "",
    "Address for /live, /ready, /connections, /routes and /certificates over HTTP: loopback or "
    "unix:/PATH. None by default.");

ABSL_FLAG(std::string, log_level, "info", "Least level to log: debug, info, warning, error, off.");
ABSL_FLAG(std::string, log_format, "text", "Log lines as text or json.");

namespace tlsbridge {
namespace {

absl::Status NotAllowed(absl::string_view flag, absl::string_view value,
                        absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": '", value, "' is not allowed; use ", allowed));
}

// `least` is ZeroDuration where 0 switches the timeout off.
absl::Status SetDuration(absl::string_view flag, absl::Duration value, absl::Duration least,
                         absl::Duration* target) {
  if (value < least) {
    return NotAllowed(flag, absl::FormatDuration(value),
                      absl::StrCat(absl::FormatDuration(least), " or more"));
  }
  *target = value;
  return absl::OkStatus();
}

absl::Status SetCount(absl::string_view flag, int64_t value, int64_t* target) {
  if (value < 0) return NotAllowed(flag, absl::StrCat(value), "0 or more");
  *target = value;
  return absl::OkStatus();
}

absl::Status SetKeepAlive(KeepAlive* keep_alive) {
  const std::string treatment = absl::GetFlag(FLAGS_keep_alive);
  if (treatment == "standard") {
    keep_alive->treatment = KeepAliveTreatment::kStandard;
  } else if (treatment == "extended") {
    keep_alive->treatment = KeepAliveTreatment::kExtended;
  } else if (treatment == "immortal") {
    keep_alive->treatment = KeepAliveTreatment::kImmortal;
  } else {
    return NotAllowed("keep-alive", treatment, "standard, extended or immortal");
  }
  keep_alive->multiplier = absl::GetFlag(FLAGS_keep_alive_multiplier);
  if (!(keep_alive->multiplier >= 1)) {
    return NotAllowed("keep-alive-multiplier", absl::StrCat(keep_alive->multiplier), "1 or more");
  }
  return absl::OkStatus();
}

absl::Status SetAdmin(Config* config) {
  const std::string text = absl::GetFlag(FLAGS_admin_listen);
  if (text.empty()) return absl::OkStatus();
  auto address = SocketAddress::Parse(text);
  if (!address.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--admin-listen: ", address.status().message()));
  }
  if (!address->is_loopback()) {
    return NotAllowed("admin-listen", text,
                      "a loopback address or unix:/PATH: it asks nobody who they are");
  }
  config->admin = *address;
  return absl::OkStatus();
}

}  // namespace

std::vector<FlagGroup> ServiceFlagGroups() {
  return {
      {"Timeouts (30s, 5m, 4h; 0 switches off where it says so)",
       {"handshake-timeout", "connect-timeout", "connect-attempts", "initial-data-timeout",
        "inactivity-timeout", "half-close-timeout", "max-lifetime", "keep-alive",
        "keep-alive-multiplier", "keep-alive-warning", "close-grace", "tcp-keepalive",
        "tcp-user-timeout"}},
      {"Limits",
       {"max-connections", "max-connections-per-ip", "max-new-per-ip-per-minute",
        "max-handshakes"}},
      {"Shutdown", {"drain-delay", "drain-timeout"}},
      {"Operation", {"workers", "admin-listen", "log-level", "log-format"}},
  };
}

absl::StatusOr<std::vector<SocketAddress>> ListenFlag() {
  std::vector<SocketAddress> addresses;
  for (const std::string& text : absl::GetFlag(FLAGS_listen).values) {
    auto address = SocketAddress::Parse(text);
    if (!address.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--listen: ", address.status().message()));
    }
    addresses.push_back(*address);
  }
  return addresses;
}

absl::Status ApplyServiceFlags(Config* config) {
  Route& route = config->routes.front();
  constexpr absl::Duration kOff = absl::ZeroDuration();
  constexpr absl::Duration kLeast = absl::Milliseconds(1);
  absl::Status status;
  status.Update(SetDuration("handshake-timeout", absl::GetFlag(FLAGS_handshake_timeout), kLeast,
                            &route.timeouts.handshake));
  status.Update(SetDuration("connect-timeout", absl::GetFlag(FLAGS_connect_timeout), kLeast,
                            &route.timeouts.connect));
  const int attempts = absl::GetFlag(FLAGS_connect_attempts);
  if (attempts < 1 || attempts > 100) {
    status.Update(NotAllowed("connect-attempts", absl::StrCat(attempts), "1 to 100"));
  }
  route.timeouts.connect_attempts = attempts;
  status.Update(SetDuration("initial-data-timeout", absl::GetFlag(FLAGS_initial_data_timeout), kOff,
                            &route.timeouts.initial_data));
  status.Update(SetDuration("inactivity-timeout", absl::GetFlag(FLAGS_inactivity_timeout), kOff,
                            &route.timeouts.inactivity));
  status.Update(SetDuration("half-close-timeout", absl::GetFlag(FLAGS_half_close_timeout), kOff,
                            &route.timeouts.half_close));
  status.Update(SetDuration("max-lifetime", absl::GetFlag(FLAGS_max_lifetime), kOff,
                            &route.timeouts.max_lifetime));
  status.Update(SetKeepAlive(&route.keep_alive));
  status.Update(SetDuration("keep-alive-warning", absl::GetFlag(FLAGS_keep_alive_warning), kOff,
                            &route.keep_alive.warning));
  status.Update(
      SetDuration("close-grace", absl::GetFlag(FLAGS_close_grace), kLeast, &route.bridge.grace));
  status.Update(SetDuration("tcp-keepalive", absl::GetFlag(FLAGS_tcp_keepalive), kOff,
                            &route.bridge.tcp.keepalive_idle));
  status.Update(SetDuration("tcp-user-timeout", absl::GetFlag(FLAGS_tcp_user_timeout), kOff,
                            &route.bridge.tcp.user_timeout));
  status.Update(SetCount("max-connections", absl::GetFlag(FLAGS_max_connections),
                         &config->limits.connections));
  status.Update(SetCount("max-connections-per-ip", absl::GetFlag(FLAGS_max_connections_per_ip),
                         &config->limits.connections_per_ip));
  status.Update(SetCount("max-new-per-ip-per-minute",
                         absl::GetFlag(FLAGS_max_new_per_ip_per_minute),
                         &config->limits.new_per_ip_per_minute));
  status.Update(
      SetCount("max-handshakes", absl::GetFlag(FLAGS_max_handshakes), &config->limits.handshakes));
  status.Update(SetDuration("drain-delay", absl::GetFlag(FLAGS_drain_delay), kOff,
                            &config->shutdown.drain_delay));
  status.Update(SetDuration("drain-timeout", absl::GetFlag(FLAGS_drain_timeout), kOff,
                            &config->shutdown.drain_timeout));
  const int workers = absl::GetFlag(FLAGS_workers);
  if (workers < 0 || workers > kMostWorkers) {
    status.Update(
        NotAllowed("workers", absl::StrCat(workers), absl::StrCat("0 to ", kMostWorkers)));
  }
  config->workers = workers;
  status.Update(SetAdmin(config));
  return status;
}

absl::StatusOr<LogSettings> LogFlags() {
  LogSettings options;
  const std::string level = absl::GetFlag(FLAGS_log_level);
  if (level == "debug") {
    options.level = LogLevel::kDebug;
  } else if (level == "info") {
    options.level = LogLevel::kInfo;
  } else if (level == "warning") {
    options.level = LogLevel::kWarning;
  } else if (level == "error") {
    options.level = LogLevel::kError;
  } else if (level == "off") {
    options.level = LogLevel::kOff;
  } else {
    return NotAllowed("log-level", level, "debug, info, warning, error or off");
  }
  const std::string format = absl::GetFlag(FLAGS_log_format);
  if (format != "text" && format != "json") return NotAllowed("log-format", format, "text or json");
  options.format = format == "json" ? LogFormat::kJson : LogFormat::kText;
  return options;
}

}  // namespace tlsbridge
