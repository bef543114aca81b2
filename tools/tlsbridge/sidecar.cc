#include "tools/tlsbridge/sidecar.h"

#include <stdio.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bridge/socket_address.h"
#include "router/config/config.h"
#include "router/live_config.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/run.h"
#include "tools/tlsbridge/service_flags.h"

ABSL_FLAG(std::string, backend, "",
          "Address of the service behind: HOST:PORT, [IPV6]:PORT or unix:/PATH.");
ABSL_FLAG(std::string, cert, "", "PEM file with the certificate, and then its chain.");
ABSL_FLAG(std::string, key, "", "PEM file with its private key, unencrypted.");
ABSL_FLAG(bool, unsafe_backend, false,
          "Allow a backend that is neither on loopback nor a UNIX socket. What goes to it crosses "
          "the network in the clear.");
ABSL_FLAG(std::string, client_ca, "",
          "PEM file with the CAs of client certificates. Clients must then present one.");
ABSL_FLAG(std::string, client_cert, "",
          "With --client-ca: required (the default), or optional to let clients without one in.");
ABSL_FLAG(tlsbridge::ValueList, allow_cn, {}, "Let in clients with this common name.");
ABSL_FLAG(tlsbridge::ValueList, allow_ou, {}, "... with this organizational unit.");
ABSL_FLAG(tlsbridge::ValueList, allow_dns, {}, "... with this DNS name; *.NAME is one label.");
ABSL_FLAG(tlsbridge::ValueList, allow_ip, {}, "... with this IP address.");
ABSL_FLAG(tlsbridge::ValueList, allow_uri, {},
          "... with this URI, such as spiffe://prod/ns/*/sa/api: * is within a segment, a last /** "
          "everything below.");
ABSL_FLAG(tlsbridge::ValueList, allow_spki, {},
          "... with this public key (base64 of its SHA-256). Any rule of any kind suffices.");

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Fronts one service with TLS.\n"
    "\n"
    "  tlsbridge sidecar --listen 0.0.0.0:8443 --backend 127.0.0.1:8080 --cert tls.crt --key "
    "tls.key\n";

std::vector<FlagGroup> FlagGroups() {
  std::vector<FlagGroup> groups = {
      {"Service", {"listen", "backend", "cert", "key", "unsafe-backend"}},
      {"Clients (each --allow may be repeated)",
       {"client-ca", "client-cert", "allow-cn", "allow-ou", "allow-dns", "allow-ip", "allow-uri",
        "allow-spki"}}};
  for (FlagGroup& group : ServiceFlagGroups()) groups.push_back(std::move(group));
  return groups;
}

absl::Status Missing(absl::string_view flag, absl::string_view example) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " is missing; for example --", flag, " ", example));
}

// What each --allow-KIND is as a rule.
void AddRules(absl::string_view kind, const ValueList& patterns, std::vector<std::string>* rules) {
  for (const std::string& pattern : patterns.values) {
    rules->push_back(absl::StrCat(kind, ":", pattern));
  }
}

absl::StatusOr<ClientAuth> ClientAuthFromFlags() {
  ClientAuth policy;
  AddRules("cn", absl::GetFlag(FLAGS_allow_cn), &policy.allow);
  AddRules("ou", absl::GetFlag(FLAGS_allow_ou), &policy.allow);
  AddRules("dns", absl::GetFlag(FLAGS_allow_dns), &policy.allow);
  AddRules("ip", absl::GetFlag(FLAGS_allow_ip), &policy.allow);
  AddRules("uri", absl::GetFlag(FLAGS_allow_uri), &policy.allow);
  AddRules("spki", absl::GetFlag(FLAGS_allow_spki), &policy.allow);
  const std::string mode = absl::GetFlag(FLAGS_client_cert);
  policy.ca = absl::GetFlag(FLAGS_client_ca);
  if (policy.ca.empty()) {
    if (!mode.empty() || !policy.allow.empty()) {
      return absl::InvalidArgumentError(
          "--client-ca is missing: without it no client certificate can be verified");
    }
    return policy;
  }
  if (!mode.empty() && mode != "required" && mode != "optional") {
    return absl::InvalidArgumentError(
        absl::StrCat("--client-cert: '", mode, "' is not allowed; use required or optional"));
  }
  policy.mode =
      mode == "optional" ? ClientCertificateMode::kOptional : ClientCertificateMode::kRequired;
  return policy;
}

absl::StatusOr<Config> ConfigFromFlags() {
  Config config;
  config.routes.emplace_back();
  Route& route = config.routes.front();
  route.name = "sidecar";
  auto listeners = ListenFlag();
  if (!listeners.ok()) return listeners.status();
  if (listeners->empty()) return Missing("listen", "0.0.0.0:8443");
  for (const SocketAddress& address : *listeners) config.listeners.push_back({address});

  const std::string backend = absl::GetFlag(FLAGS_backend);
  if (backend.empty()) return Missing("backend", "127.0.0.1:8080");
  auto address = SocketAddress::Parse(backend);
  if (!address.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--backend: ", address.status().message()));
  }
  if (!address->is_unix() && address->port() == 0) {
    return absl::InvalidArgumentError("--backend: port 0 cannot be connected to");
  }
  if (!address->is_loopback() && !absl::GetFlag(FLAGS_unsafe_backend)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--backend: ", backend,
                     " is not on this machine, and what goes to it would cross the "
                     "network in the clear; use a loopback address or unix:/PATH, or allow it with "
                     "--unsafe-backend"));
  }
  route.backends.push_back({{.socket = *address}});

  const std::string cert = absl::GetFlag(FLAGS_cert);
  const std::string key = absl::GetFlag(FLAGS_key);
  if (cert.empty()) return Missing("cert", "tls.crt");
  if (key.empty()) return Missing("key", "tls.key");
  route.tls.certificates.push_back({cert, key});
  auto clients = ClientAuthFromFlags();
  if (!clients.ok()) return clients.status();
  route.tls.client = *std::move(clients);

  if (absl::Status status = ApplyServiceFlags(&config); !status.ok()) return status;
  return config;
}

}  // namespace

int RunSidecar(absl::Span<char* const> arguments) {
  const std::vector<FlagGroup> groups = FlagGroups();
  for (const absl::string_view argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      printf("%s%s", kUsage, DescribeFlags(groups).c_str());
      return kExitOk;
    }
  }
  if (absl::Status status = ParseFlags(arguments, groups); !status.ok()) {
    return RefuseToStart(status);
  }
  const absl::StatusOr<LogOptions> log = LogFlags();
  if (!log.ok()) return RefuseToStart(log.status());
  const absl::StatusOr<Config> config = ConfigFromFlags();
  if (!config.ok()) return RefuseToStart(config.status());
  // Flags stay as they are; a reload reads the files that they name.
  const auto source = [&config](const LiveConfig* previous) {
    return LiveConfig::Load(*config, previous, absl::Now(), SystemClock().Monotonic());
  };
  return Serve(source, *log);
}

}  // namespace tlsbridge
