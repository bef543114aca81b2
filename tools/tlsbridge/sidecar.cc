#include "tools/tlsbridge/sidecar.h"

#include <stdio.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "bridge/socket_address.h"
#include "router/config/backend_address.h"
#include "router/config/cidr.h"
#include "router/config/config.h"
#include "router/live_config.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/process_flags.h"
#include "tools/tlsbridge/serve.h"
#include "tools/tlsbridge/service_flags.h"
#include "tools/tlsbridge/tls_flags.h"

ABSL_FLAG(tlsbridge::ValueList, backend, {},
          "Address of the service behind: HOST:PORT, [IPV6]:PORT, unix:/PATH, unix:@ABSTRACT, "
          "dns:NAME:PORT or srv:_SERVICE._tcp.NAME. May be repeated: they take turns, and the next "
          "one stands in for one that cannot be reached.");
ABSL_FLAG(bool, unsafe_backend, false,
          "Allow a backend that is neither on loopback nor a UNIX socket. What goes to it crosses "
          "the network in the clear.");
ABSL_FLAG(std::string, send_proxy, "none",
          "Begin connections to the backend with a PROXY protocol header: none, v1 or v2.");
ABSL_FLAG(tlsbridge::ValueList, proxy_from, {},
          "Peers that must begin with a PROXY protocol header: an address, a block such as "
          "10.0.0.0/8, or unix. May be repeated.");

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Fronts one service with TLS.\n"
    "\n"
    "  tlsbridge sidecar --listen 0.0.0.0:8443 --backend 127.0.0.1:8080 --cert tls.crt --key "
    "tls.key\n";

std::vector<FlagGroup> FlagGroups() {
  std::vector<FlagGroup> groups = {
      {"Service", {"listen", "proxy-from", "backend", "unsafe-backend", "send-proxy"}}};
  for (FlagGroup& group : TlsFlagGroups()) groups.push_back(std::move(group));
  for (FlagGroup& group : ServiceFlagGroups()) groups.push_back(std::move(group));
  groups.push_back(ProcessFlagGroup());
  return groups;
}

absl::Status Missing(absl::string_view flag, absl::string_view example) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " is missing; for example --", flag, " ", example));
}

absl::Status SetListeners(Config* config) {
  auto addresses = ListenFlag();
  if (!addresses.ok()) return addresses.status();
  if (addresses->empty()) return Missing("listen", "0.0.0.0:8443");
  Listener settings;
  for (const std::string& text : absl::GetFlag(FLAGS_proxy_from).values) {
    if (text == "unix") {
      settings.proxy_protocol_from_unix = true;
      continue;
    }
    auto block = Cidr::Parse(text);
    if (!block.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--proxy-from: ", block.status().message()));
    }
    settings.proxy_protocol_from.push_back(*block);
  }
  for (const SocketAddress& address : *addresses) {
    settings.address = address;
    config->listeners.push_back(settings);
  }
  return absl::OkStatus();
}

absl::Status SetBackends(Route* route) {
  const std::vector<std::string> texts = absl::GetFlag(FLAGS_backend).values;
  if (texts.empty()) return Missing("backend", "127.0.0.1:8080");
  for (const std::string& text : texts) {
    auto address = ParseBackendAddress(text);
    if (!address.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--backend: ", address.status().message()));
    }
    const bool is_local =
        address->kind == BackendAddress::Kind::kSocket && address->socket.is_loopback();
    if (!is_local && !absl::GetFlag(FLAGS_unsafe_backend) &&
        route->tls_mode != TlsMode::kTerminateAndReencrypt) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--backend: ", text,
          " is not on this machine, and what goes to it would cross the network in the clear; use "
          "a loopback address or unix:/PATH, encrypt it with --backend-ca, or allow it with "
          "--unsafe-backend"));
    }
    route->backends.push_back({*address});
  }
  return absl::OkStatus();
}

absl::Status SetSendProxy(Route* route) {
  const std::string version = absl::GetFlag(FLAGS_send_proxy);
  if (version == "v1") {
    route->send_proxy = ProxyProtocol::kV1;
  } else if (version == "v2") {
    route->send_proxy = ProxyProtocol::kV2;
  } else if (version != "none") {
    return absl::InvalidArgumentError(
        absl::StrCat("--send-proxy: '", version, "' is not allowed; use none, v1 or v2"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Config> ConfigFromFlags() {
  Config config;
  config.routes.emplace_back();
  Route& route = config.routes.front();
  route.name = "sidecar";
  absl::Status status = SetListeners(&config);
  // Whether backends may be elsewhere depends on whether they are spoken to in TLS.
  const absl::Status tls = ApplyTlsFlags(&route);
  status.Update(SetBackends(&route));
  status.Update(tls);
  status.Update(SetSendProxy(&route));
  status.Update(ApplyServiceFlags(&config));
  if (!status.ok()) return status;
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
  const auto source = [&config](const LiveConfig* previous, const Clock* clock) {
    return LiveConfig::Load(*config, previous, clock);
  };
  return Serve(source, {}, *log);
}

}  // namespace tlsbridge
