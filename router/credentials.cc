#include "router/credentials.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tls/certificate.h"
#include "tls/client_verifier.h"
#include "tls/key_pair.h"
#include "tls/pem_file.h"
#include "tls/ticket_keys.h"

namespace tlsbridge {
namespace {

const char* VersionOption(TlsVersion version) {
  return version == TlsVersion::kTls12 ? "TLSv1.2" : "TLSv1.3";
}

// Leaves `text` empty for no file.
absl::Status ReadIfNamed(const std::string& path, std::string* text) {
  if (path.empty()) return absl::OkStatus();
  auto pem = tls::ReadPemFile(path);
  if (!pem.ok()) return pem.status();
  *text = *std::move(pem);
  return absl::OkStatus();
}

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

absl::Status LoadServer(const Route& route, const tls::TicketSecrets::Clock& wall_clock,
                        RouteTls* loaded) {
  const ServerTls& settings = route.tls;
  tls::ServerOptions options;
  for (const CertificateFiles& files : settings.certificates) {
    auto certificate = tls::LoadCertificate({files.cert, files.key, files.ocsp}, wall_clock());
    if (!certificate.ok()) return certificate.status();
    for (std::string& warning : certificate->pair.warnings) {
      loaded->warnings.push_back(std::move(warning));
    }
    options.certificates.push_back(*std::move(certificate));
  }
  options.alpn = settings.alpn;
  options.protocol.min_version = VersionOption(settings.min_version);
  options.protocol.max_version = VersionOption(settings.max_version);
  options.protocol.ciphers = settings.ciphers;
  options.protocol.groups = settings.groups;
  options.refuse_unknown_sni = settings.refuse_unknown_sni;
  auto clients = LoadClientPolicy(settings.client);
  if (!clients.ok()) return clients.status();
  options.clients = *std::move(clients);
  auto context = tls::ServerContext::Create(options);
  if (!context.ok()) return context.status();

  if (loaded->ticket_secrets == nullptr) {
    auto secrets = tls::TicketSecrets::Create(TicketOptionsOf(settings.tickets), wall_clock);
    if (!secrets.ok()) return secrets.status();
    loaded->ticket_secrets = *std::move(secrets);
  } else if (absl::Status status = loaded->ticket_secrets->Reload(); !status.ok()) {
    return status;
  }
  // A ticket stands for a client that was let in: who may be one is part of what it is good for.
  const std::string binding = absl::StrCat(route.name, "\n", tls::PolicyDigest(options.clients));
  tls::InstallTicketKeys(loaded->ticket_secrets, binding, (*context)->ssl_ctx());
  loaded->server = *std::move(context);
  return absl::OkStatus();
}

absl::Status LoadBackend(const BackendTls& settings, absl::Time now, RouteTls* loaded) {
  tls::ClientOptions options;
  options.trust.ca_name = settings.ca;
  if (absl::Status status = ReadIfNamed(settings.ca, &options.trust.ca_pem); !status.ok()) {
    return status;
  }
  options.verify_name = settings.verify_name;
  options.server_name = settings.sni;
  options.alpn = settings.alpn;
  options.insecure_skip_verify = settings.insecure_skip_verify;
  tls::KeyPair certificate;
  if (!settings.cert.empty()) {
    auto pair = tls::LoadKeyPair(settings.cert, settings.key, now);
    if (!pair.ok()) return pair.status();
    certificate = *std::move(pair);
    options.certificate = &certificate;
  }
  auto context = tls::ClientContext::Create(options);
  if (!context.ok()) return context.status();
  loaded->backend = *std::move(context);
  if (settings.insecure_skip_verify) {
    loaded->warnings.emplace_back(
        "insecure_skip_verify is on: backends are not verified, and whoever answers in their place "
        "gets all that clients send");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<tls::ClientPolicy> LoadClientPolicy(const ClientAuth& settings) {
  tls::ClientPolicy policy;
  if (settings.mode == ClientCertificateMode::kOff) return policy;
  policy.mode = settings.mode == ClientCertificateMode::kOptional
                    ? tls::ClientCertificates::kOptional
                    : tls::ClientCertificates::kRequired;
  policy.allow = settings.allow;
  policy.observe_only = settings.observe_only;
  policy.ca_name = settings.ca;
  policy.crl_name = settings.crl;
  if (absl::Status status = ReadIfNamed(settings.ca, &policy.ca_pem); !status.ok()) return status;
  if (absl::Status status = ReadIfNamed(settings.crl, &policy.crl_pem); !status.ok()) {
    return status;
  }
  return policy;
}

absl::StatusOr<RouteTls> LoadRouteTls(const Route& route,
                                      std::shared_ptr<tls::TicketSecrets> secrets,
                                      const tls::TicketSecrets::Clock& wall_clock) {
  RouteTls loaded;
  loaded.ticket_secrets = std::move(secrets);
  if (route.action != RouteAction::kForward || route.tls_mode == TlsMode::kPassthrough) {
    return loaded;
  }
  absl::Status status = LoadServer(route, wall_clock, &loaded);
  if (status.ok() && route.tls_mode == TlsMode::kTerminateAndReencrypt) {
    status = LoadBackend(route.backend_tls, wall_clock(), &loaded);
  }
  if (!status.ok()) return status;
  return loaded;
}

}  // namespace tlsbridge
