#include "tools/tlsbridge/sidecar_flags.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "bridge/socket_address.h"
#include "router/config/backend_address.h"
#include "router/config/cidr.h"
#include "router/routes/own_listener.h"
#include "tools/tlsbridge/process_flags.h"
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

absl::Status Missing(absl::string_view flag, absl::string_view example) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " is missing; for example --", flag, " ", example));
}

// Each listener gets those of its kind; none may be for no listener.
absl::Status SetListeners(Config* config) {
  auto addresses = ListenFlag();
  if (!addresses.ok()) return addresses.status();
  if (addresses->empty()) return Missing("listen", "0.0.0.0:8443");
  bool from_unix = false;
  std::vector<Cidr> from;
  for (const std::string& text : absl::GetFlag(FLAGS_proxy_from).values) {
    if (text == "unix") {
      from_unix = true;
      continue;
    }
    auto block = Cidr::Parse(text);
    if (!block.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--proxy-from: ", block.status().message()));
    }
    from.push_back(*block);
  }
  bool any_unix = false;
  bool any_ip = false;
  for (const SocketAddress& address : *addresses) {
    const bool is_unix = address.is_unix();
    (is_unix ? any_unix : any_ip) = true;
    config->listeners.push_back({.address = address,
                                 .proxy_protocol_from = is_unix ? std::vector<Cidr>() : from,
                                 .proxy_protocol_from_unix = is_unix && from_unix});
  }
  if (from_unix && !any_unix) {
    return absl::InvalidArgumentError("--proxy-from: unix, but no --listen is a UNIX socket");
  }
  if (!from.empty() && !any_ip) {
    return absl::InvalidArgumentError(
        "--proxy-from: peers on a UNIX socket have no IP address; use --proxy-from unix");
  }
  return absl::OkStatus();
}

absl::Status SetBackends(Route* route) {
  const std::vector<std::string> texts = absl::GetFlag(FLAGS_backend).values;
  if (texts.empty()) return Missing("backend", "127.0.0.1:8080");
  route->unsafe_backend = absl::GetFlag(FLAGS_unsafe_backend);
  for (const std::string& text : texts) {
    auto address = ParseBackendAddress(text);
    if (!address.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--backend: ", address.status().message()));
    }
    const bool is_local =
        address->kind == BackendAddress::Kind::kSocket && address->socket.is_loopback();
    if (!is_local && !route->unsafe_backend && route->tls_mode != TlsMode::kTerminateAndReencrypt) {
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

absl::Status CheckNotOurselves(const Config& config, const Route& route) {
  for (const Backend& backend : route.backends) {
    if (backend.address.kind != BackendAddress::Kind::kSocket) continue;
    if (!OwnListener(config, route, backend.address.socket).has_value()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--backend: ", backend.address.ToString(),
                     " is what --listen names: each connection would lead to itself; name the "
                     "service's own address"));
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

}  // namespace

std::vector<FlagGroup> SidecarFlagGroups() {
  std::vector<FlagGroup> groups = {
      {"Service", {"listen", "proxy-from", "backend", "unsafe-backend", "send-proxy"}}};
  for (FlagGroup& group : TlsFlagGroups()) groups.push_back(std::move(group));
  for (FlagGroup& group : ServiceFlagGroups()) groups.push_back(std::move(group));
  groups.push_back(ProcessFlagGroup());
  return groups;
}

absl::StatusOr<Config> SidecarConfigFromFlags() {
  Config config;
  config.routes.emplace_back();
  Route& route = config.routes.front();
  route.name = "sidecar";
  absl::Status status = SetListeners(&config);
  // Whether backends may be elsewhere depends on whether they are spoken to in TLS.
  const absl::Status tls = ApplyTlsFlags(&route);
  status.Update(SetBackends(&route));
  status.Update(CheckNotOurselves(config, route));
  status.Update(tls);
  status.Update(SetSendProxy(&route));
  status.Update(ApplyServiceFlags(&config));
  const absl::StatusOr<LogSettings> log = LogFlags();
  status.Update(log.status());
  if (!status.ok()) return status;
  config.log = *log;
  return config;
}

}  // namespace tlsbridge
