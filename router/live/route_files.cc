#include "router/live/route_files.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "router/live/tls_options.h"
#include "tls/certificates/certificate.h"
#include "tls/certificates/certificate_uses.h"
#include "tls/certificates/pem_file.h"
#include "tls/server_context.h"

namespace tlsbridge {
namespace {

// Leaves `text` empty for no file. An empty file is none: it must not turn off what it is for.
absl::Status ReadIfNamed(const std::string& path, std::string* text) {
  if (path.empty()) return absl::OkStatus();
  auto pem = tls::ReadPemFile(path);
  if (!pem.ok()) return pem.status();
  if (pem->empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": is empty"));
  *text = *std::move(pem);
  return absl::OkStatus();
}

tls::TrustOptions TrustOf(const tls::ClientPolicy& policy) {
  return {.ca_pem = policy.ca_pem,
          .ca_name = policy.ca_name,
          .crl_pem = policy.crl_pem,
          .crl_name = policy.crl_name};
}

// Those that are named.
std::vector<std::string> Named(std::vector<std::string> paths) {
  paths.erase(std::remove(paths.begin(), paths.end(), ""), paths.end());
  return paths;
}

// What is served by the same settings, or null.
template <typename T>
const FileSet<T>* Before(bool same_settings, const FileSet<T>& served) {
  return same_settings && served.content != nullptr ? &served : nullptr;
}

}  // namespace

absl::Status ReadCertificates(const ServerTls& settings, ServedFiles served, Reread reread,
                              absl::Time now, RouteFiles* files) {
  absl::flat_hash_map<std::vector<std::string>, const FileSet<const tls::Credential>*> known;
  tls::CertificateBytes bytes;
  if (served.files != nullptr) {
    for (const auto& set : served.files->certificates) {
      known.emplace(set.paths, &set);
      bytes.Remember(*set.content);
    }
  }
  for (const CertificateFiles& named : settings.certificates) {
    std::vector<std::string> paths = Named({named.cert, named.key, named.ocsp});
    const auto it = known.find(paths);
    const FileSet<const tls::Credential>* const before = it == known.end() ? nullptr : it->second;
    const auto read = [&]() -> absl::StatusOr<std::shared_ptr<const tls::Credential>> {
      auto certificate = tls::LoadCertificate({named.cert, named.key, named.ocsp}, now);
      if (!certificate.ok()) return certificate.status();
      auto credential = tls::MakeCredential(*certificate, &bytes);
      if (!credential.ok() || before == nullptr) return credential;
      absl::Status status = tls::CheckNotOlder(*before->content, **credential);
      // Whether it can be served, by itself: so that one that cannot keeps no other from it.
      tls::ServerOptions options = ServerOptionsOf(settings);
      options.alpn = settings.alpn;
      options.certificates = {*credential};
      status.Update(tls::ServerContext::Create(options).status());
      if (!status.ok()) return status;
      return credential;
    };
    auto set = ReadFileSet(std::move(paths), before, reread, read);
    if (!set.ok()) return set.status();
    files->certificates.push_back(*std::move(set));
  }
  return absl::OkStatus();
}

absl::Status ReadClients(const ClientAuth& settings, ServedFiles served, Reread reread,
                         absl::Time now, RouteFiles* files) {
  std::vector<std::string> paths = Named({settings.ca, settings.crl});
  // What is asked of clients beside the files is part of the policy.
  const bool same = served.files != nullptr && served.settings->tls.client == settings;
  const FileSet<const ClientFiles>* const before =
      served.files == nullptr ? nullptr : Before(same, served.files->clients);
  const auto read = [&]() -> absl::StatusOr<std::shared_ptr<const ClientFiles>> {
    auto policy = LoadClientPolicy(settings);
    if (!policy.ok()) return policy.status();
    auto clients = std::make_shared<ClientFiles>();
    clients->policy = *std::move(policy);
    if (clients->policy.mode == tls::ClientCertificates::kOff) return clients;
    const tls::TrustOptions trust = TrustOf(clients->policy);
    if (before != nullptr) {
      const absl::Status status = tls::CheckCrlsKept(TrustOf(before->content->policy), trust);
      if (!status.ok()) return status;
    }
    auto verifier = tls::ClientVerifier::Create(clients->policy);
    if (!verifier.ok()) return verifier.status();
    // What is served, even if by other settings: its CRLs may have expired meanwhile.
    const ClientFiles* const known =
        served.files == nullptr ? nullptr : served.files->clients.content.get();
    tls::TrustOptions in_force;
    if (known != nullptr) in_force = TrustOf(known->policy);
    auto facts = tls::ReadTrustFacts(trust, now, &in_force);
    if (!facts.ok()) return facts.status();
    clients->trust = *std::move(facts);
    if (!(*verifier)->tells_cas()) {
      clients->trust.warnings.push_back(
          absl::StrCat(settings.ca, ": the names of its ", clients->trust.cas.size(),
                       " CAs do not fit into a TLS message, so clients are sent no list of CAs: "
                       "each must choose its certificate by itself"));
    }
    return clients;
  };
  auto set = ReadFileSet(std::move(paths), before, reread, read);
  if (!set.ok()) return set.status();
  files->clients = *std::move(set);
  return absl::OkStatus();
}

// Secrets that are kept decrypt what they encrypted before.
absl::Status ReadTickets(const Tickets& settings, ServedFiles served, Reread reread,
                         const tls::TicketSecrets::Clocks& clocks, RouteFiles* files) {
  const bool same = served.files != nullptr && served.settings->tls.tickets == settings;
  std::vector<std::string> paths = Named({settings.file});
  const FileSet<tls::TicketSecrets>* const before =
      served.files == nullptr ? nullptr : Before(same, served.files->tickets);
  const auto read = [&] { return tls::TicketSecrets::Create(TicketOptionsOf(settings), clocks); };
  auto set = ReadFileSet(std::move(paths), before, reread, read);
  if (!set.ok()) return set.status();
  if (before != nullptr && set->content != before->content) {
    before->content->TakeOver(*set->content);
    set->content = before->content;
  }
  files->tickets = *std::move(set);
  if (!settings.file.empty() && tls::AnybodyMayRead(settings.file)) {
    files->tickets_warning = absl::StrCat(
        settings.file,
        ": ticket secrets are world-readable: with these an attacker can decrypt recorded TLS 1.2 "
        "sessions and resume other clients' sessions; run: chmod o-r ",
        settings.file);
  }
  return absl::OkStatus();
}

absl::Status ReadBackend(const BackendTls& settings, ServedFiles served, Reread reread,
                         absl::Time now, RouteFiles* files) {
  const bool of_system = settings.ca.empty() && !settings.insecure_skip_verify;
  std::vector<std::string> paths = Named(
      {of_system ? tls::TrustStore::SystemBundle() : settings.ca, settings.cert, settings.key});
  const bool same = served.files != nullptr && served.settings->backend_tls == settings;
  const FileSet<const BackendCredentials>* const before =
      served.files == nullptr ? nullptr : Before(same, served.files->backend);
  const auto read = [&]() -> absl::StatusOr<std::shared_ptr<const BackendCredentials>> {
    auto credentials = std::make_shared<BackendCredentials>();
    absl::Status status = ReadIfNamed(settings.ca, &credentials->ca_pem);
    if (!status.ok()) return status;
    if (!settings.ca.empty()) {
      auto facts =
          tls::ReadTrustFacts({.ca_pem = credentials->ca_pem, .ca_name = settings.ca}, now);
      if (!facts.ok()) return facts.status();
      credentials->trust = *std::move(facts);
    }
    if (!settings.cert.empty()) {
      auto pair = tls::LoadKeyPair(settings.cert, settings.key, now);
      if (!pair.ok()) return pair.status();
      tls::WarnOfUse(tls::CertificateUse::kClient, &*pair);
      credentials->certificate = *std::move(pair);
    }
    auto context = MakeBackendContext(settings, *credentials);
    if (!context.ok()) return context.status();
    return credentials;
  };
  auto set = ReadFileSet(std::move(paths), before, reread, read);
  if (!set.ok()) return set.status();
  files->backend = *std::move(set);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const tls::BackendContext>> MakeBackendContext(
    const BackendTls& settings, const BackendCredentials& credentials) {
  tls::BackendOptions options = BackendOptionsOf(settings);
  options.trust.ca_pem = credentials.ca_pem;
  if (credentials.certificate.key != nullptr) options.certificate = &credentials.certificate;
  return tls::BackendContext::Create(options);
}

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

void ForEachFileSet(const RouteFiles& files, absl::FunctionRef<void(const FileSetState&)> visit) {
  const auto show = [&visit](const char* what, const auto& set) {
    if (!set.paths.empty())
      visit({what, set.paths, set.fingerprint, set.digest, set.problem, set.once});
  };
  for (const auto& set : files.certificates) show("certificate", set);
  show("clients", files.clients);
  show("tickets", files.tickets);
  show("backend", files.backend);
}

std::vector<std::string> FilesOf(const Route& route) {
  std::vector<std::string> files = {route.tls.client.ca,    route.tls.client.crl,
                                    route.tls.tickets.file, route.backend_tls.ca,
                                    route.backend_tls.cert, route.backend_tls.key};
  for (const CertificateFiles& named : route.tls.certificates) {
    files.insert(files.end(), {named.cert, named.key, named.ocsp});
  }
  return Named(std::move(files));
}

}  // namespace tlsbridge
