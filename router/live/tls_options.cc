#include "router/live/tls_options.h"

#include <algorithm>

namespace tlsbridge {
namespace {

const char* VersionOption(TlsVersion version) {
  return version == TlsVersion::kTls12 ? "TLSv1.2" : "TLSv1.3";
}

}  // namespace

tls::TicketOptions TicketOptionsOf(const Tickets& settings) {
  tls::TicketOptions options;
  options.path = settings.file;
  switch (settings.mode) {
    case TicketMode::kAuto:
      options.mode = tls::TicketOptions::Mode::kRandom;
      break;
    case TicketMode::kFile:
      options.mode = tls::TicketOptions::Mode::kFile;
      break;
    case TicketMode::kShared:
      options.mode = tls::TicketOptions::Mode::kShared;
      break;
    case TicketMode::kOff:
      options.mode = tls::TicketOptions::Mode::kOff;
      break;
  }
  return options;
}

tls::ServerOptions ServerOptionsOf(const ServerTls& settings) {
  tls::ServerOptions options;
  options.protocol.min_version = VersionOption(settings.min_version);
  options.protocol.max_version = VersionOption(settings.max_version);
  options.protocol.ciphers = settings.ciphers;
  options.protocol.groups = settings.groups;
  options.refuse_unknown_sni = settings.refuse_unknown_sni;
  return options;
}

tls::BackendOptions BackendOptionsOf(const BackendTls& settings) {
  tls::BackendOptions options;
  options.trust.ca_name = settings.ca;
  options.verify_name = settings.verify_name;
  options.server_name = settings.sni;
  options.alpn = settings.alpn;
  options.insecure_skip_verify = settings.insecure_skip_verify;
  return options;
}

std::vector<std::string> AlpnOf(const Route& route) {
  const std::vector<std::string>& of_backends = route.backend_tls.alpn;
  if (route.tls_mode != TlsMode::kTerminateAndReencrypt || of_backends.empty()) {
    return route.tls.alpn;
  }
  std::vector<std::string> both;
  for (const std::string& protocol : route.tls.alpn) {
    const auto it = std::find(of_backends.begin(), of_backends.end(), protocol);
    if (it != of_backends.end()) both.push_back(protocol);
  }
  return both;
}

}  // namespace tlsbridge
