#include "router/yaml/keys.h"

#include <stdint.h>

#include <limits>
#include <utility>
#include <vector>

#include "router/yaml/values.h"

namespace tlsbridge::yaml {
namespace {

TypePtr<Listener> ListenerKeys() {
  return Object<Listener>({
      Key::At<&Listener::address>(
          "address", AddressType(),
          "address to listen on: HOST:PORT with a numeric host, [IPV6]:PORT, unix:/PATH "
          "(permissions follow the umask) or unix:@NAME (abstract)")
          .Required(),
      Key::At<&Listener::name>("name", RouteNameType(),
                               "FileDescriptorName= of the systemd socket for this listener; not "
                               "needed if the socket has this address"),
      Key::At<&Listener::proxy_protocol_from>("proxy_protocol_from", ListOf(CidrType()),
                                              "peers that must send a PROXY protocol header first "
                                              "(version 1 or 2); all others must not"),
      Key::At<&Listener::proxy_protocol_from_unix>(
          "proxy_protocol_from_unix", BoolType(),
          "whether every peer on this UNIX listener must send a PROXY protocol header first"),
  });
}

TypePtr<Shutdown> ShutdownKeys() {
  return Object<Shutdown>({
      Key::At<&Shutdown::drain_delay>("drain_delay", DurationType(absl::ZeroDuration()),
                                      "how long new connections are still accepted after SIGTERM, "
                                      "so that load balancers notice"),
      Key::At<&Shutdown::drain_timeout>("drain_timeout", DurationType(absl::ZeroDuration()),
                                        "how long connections may then take to end by themselves; "
                                        "also those past their maximum lifetime"),
  });
}

TypePtr<KernelSettings> KernelKeys() {
  using OnExit = KernelOnExit;
  using Unavailable = KernelUnavailable;
  return Object<KernelSettings>({
      Key::At<&KernelSettings::table>(
          "table", KernelTableType(),
          "name of the program's own table, of family inet, which is replaced at start; instances "
          "in one network namespace need different names"),
      Key::At<&KernelSettings::on_exit>(
          "on_exit", EnumType<OnExit>({{"remove", OnExit::kRemove}, {"keep", OnExit::kKeep}}),
          "what happens to the table when the process ends, for any reason: remove cuts open "
          "connections, keep (Linux 6.9) keeps open connections and forwards new ones until the "
          "program is back"),
      Key::At<&KernelSettings::unavailable>(
          "unavailable",
          EnumType<Unavailable>({{"refuse", Unavailable::kRefuse}, {"proxy", Unavailable::kProxy}}),
          "if the kernel or the process's capabilities do not suffice: refuse to start, or warn "
          "once and forward by this program"),
  });
}

TypePtr<LogSettings> LogKeys() {
  return Object<LogSettings>({
      Key::At<&LogSettings::level>("level", LogLevelType(), "minimum level to log"),
      Key::At<&LogSettings::format>(
          "format", EnumType<LogFormat>({{"text", LogFormat::kText}, {"json", LogFormat::kJson}}),
          "log lines as text or as JSON"),
      Key::At<&LogSettings::starts>("starts", BoolType(),
                                    "log a line when a connection begins, not only when it ends"),
  });
}

TypePtr<Config> AdminKeys() {
  return Object<Config>({
      Key::At<&Config::admin>(
          "address", Optional(AddressType()),
          "address of the admin interface, HTTP (/status, /metrics, /ready and more: GET /help "
          "lists them), and its own commands: a loopback address, unix:/PATH or unix:@NAME"),
      Key::At<&Config::metrics>(
          "metrics_address", Optional(AddressType()),
          "address that serves only GET /metrics, /live, /ready and /accepting, for Prometheus and "
          "kubelet on other machines: any address, any Host, and no authentication"),
  });
}

TypePtr<SandboxSettings> SandboxKeys() {
  return Object<SandboxSettings>({
      Key::At<&SandboxSettings::enabled>(
          "enabled", BoolType(),
          "once serving, drop access to all files and system calls that are not needed"),
      Key::At<&SandboxSettings::read>("read", ListOf(TextType("path of a folder")),
                                      "folders from which a later reload may name files, besides "
                                      "those of the files named at start"),
  });
}

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

std::vector<Key> LimitKeys(const std::string& zero_connections) {
  return {
      Key::At<&Limits::connections>("connections",
                                    CountType("connections", 0, kMost, zero_connections),
                                    "maximum number at a time"),
      Key::At<&Limits::connections_per_ip>(
          "connections_per_ip", CountType("connections", 0, kMost, "means no limit"),
          "maximum per client address (IPv6: per /64); behind a gateway all clients share one"),
      Key::At<&Limits::new_per_ip_per_minute>("rate_per_ip_per_minute",
                                              CountType("connections", 0, kMost, "means no limit"),
                                              "maximum of new ones per client address in a minute"),
  };
}

TypePtr<Limits> ProgramLimitKeys() {
  std::vector<Key> keys = LimitKeys("is what descriptors and memory allow");
  keys.push_back(Key::At<&Limits::handshakes>(
      "handshakes", CountType("handshakes", 0, kMost, "is 5000 for each worker"),
      "maximum that are queued or wait for a signature at a time; new ones beyond it are refused "
      "immediately, those waiting for their client do not count"));
  keys.push_back(Key::At<&Limits::handshakes_per_ip>(
      "handshakes_per_ip",
      CountType("handshakes", 0, kMost,
                "is half of handshakes or of connections, whichever is less"),
      "maximum of unfinished ones per client address (IPv6: per /64), including those waiting for "
      "their client"));
  return Object<Limits>(std::move(keys));
}

}  // namespace

TypePtr<Limits> RouteLimitKeys() { return Object<Limits>(LimitKeys("means no limit")); }

const ObjectOf<Config>& ConfigKeys() {
  static const auto* const keys = new ObjectOf<Config>({
      Key::At<&Config::listeners>("listeners", ListOf(ListenerKeys(), 1),
                                  "addresses to accept connections on")
          .Required(),
      Key::At<&Config::routes>("routes", ListOf(RouteKeys(), 1),
                               "what to do with connections: the best matching route wins")
          .Required(),
      Key::Group("admin", AdminKeys(), "the admin interface; none if omitted"),
      Key::At<&Config::limits>("limits", ProgramLimitKeys(), "limits of the whole program"),
      Key::At<&Config::kernel>("kernel", KernelKeys(),
                               "common settings of all routes with forwarding_engine: nftables"),
      Key::At<&Config::shutdown>("shutdown", ShutdownKeys(), "how the program stops"),
      Key::At<&Config::workers>(
          "workers",
          IntType("threads", 0, kMostWorkers, "is one for each core that the program may use"),
          "threads that serve connections"),
      Key::At<&Config::log>("log", LogKeys(), "the log on standard error"),
      Key::At<&Config::sandbox>(
          "sandbox", SandboxKeys(),
          "what the process may still do once serving; takes effect at a restart"),
  });
  return *keys;
}

}  // namespace tlsbridge::yaml
