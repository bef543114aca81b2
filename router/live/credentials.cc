#include "router/live/credentials.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "router/live/tls_warnings.h"
#include "tls/certificates/certificate.h"
#include "tls/certificates/certificate_uses.h"
#include "tls/certificates/key_pair.h"
#include "tls/certificates/pem_file.h"
#include "tls/tickets/ticket_keys.h"
#include "tls/trust/client_verifier.h"

namespace tlsbridge {
namespace {

const char* VersionOption(TlsVersion version) {
  return version == TlsVersion::kTls12 ? "TLSv1.2" : "TLSv1.3";
}

// Leaves `text` empty for no file. An empty file is none: it must not turn off what it is for.
absl::Status ReadIfNamed(const std::string& path, std::string* text) {
  if (path.empty()) return absl::OkStatus();
  auto pem = tls::ReadPemFile(path);
  if (!pem.ok()) return pem.status();
  if (pem->empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": is empty"));
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

// All but certificates and clients.
tls::ServerOptions OptionsOf(const ServerTls& settings) {
  tls::ServerOptions options;
  options.alpn = settings.alpn;
  options.protocol.min_version = VersionOption(settings.min_version);
  options.protocol.max_version = VersionOption(settings.max_version);
  options.protocol.ciphers = settings.ciphers;
  options.protocol.groups = settings.groups;
  options.refuse_unknown_sni = settings.refuse_unknown_sni;
  return options;
}

tls::BackendOptions OptionsOf(const BackendTls& settings, const BackendCredentials& credentials) {
  tls::BackendOptions options;
  options.trust.ca_name = settings.ca;
  options.trust.ca_pem = credentials.ca_pem;
  options.verify_name = settings.verify_name;
  options.server_name = settings.sni;
  options.alpn = settings.alpn;
  options.insecure_skip_verify = settings.insecure_skip_verify;
  if (credentials.certificate.key != nullptr) options.certificate = &credentials.certificate;
  return options;
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

absl::Status ReadCertificates(const ServerTls& settings, const RouteFiles* served, Reread reread,
                              absl::Time now, RouteFiles* files) {
  absl::flat_hash_map<std::vector<std::string>, const FileSet<const tls::Credential>*> known;
  tls::CertificateBytes bytes;
  if (served != nullptr) {
    for (const auto& set : served->certificates) {
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
      tls::ServerOptions options = OptionsOf(settings);
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

absl::Status ReadClients(const ClientAuth& settings, const ServedRoute* served, Reread reread,
                         absl::Time now, RouteFiles* files) {
  std::vector<std::string> paths = Named({settings.ca, settings.crl});
  // What is asked of clients beside the files is part of the policy.
  const bool same = served != nullptr && served->settings->tls.client == settings;
  const FileSet<const ClientFiles>* const before =
      served == nullptr ? nullptr : Before(same, served->tls->files.clients);
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
        served == nullptr ? nullptr : served->tls->files.clients.content.get();
    tls::TrustOptions in_force;
    if (known != nullptr) in_force = TrustOf(known->policy);
    auto facts = tls::ReadTrustFacts(trust, now, &in_force);
    if (!facts.ok()) return facts.status();
    clients->trust = *std::move(facts);
    if (!(*verifier)->tells_cas()) {
      clients->trust.warnings.push_back(absl::StrCat(
          settings.ca, ": the names of its ", clients->trust.cas.size(),
          " CAs do not fit into a TLS message, so that clients are told none: each must know by "
          "itself which certificate to show"));
    }
    return clients;
  };
  auto set = ReadFileSet(std::move(paths), before, reread, read);
  if (!set.ok()) return set.status();
  files->clients = *std::move(set);
  return absl::OkStatus();
}

// Secrets that are kept decrypt what they encrypted before.
absl::Status ReadTickets(const Tickets& settings, const ServedRoute* served, Reread reread,
                         const tls::TicketSecrets::Clocks& clocks, RouteFiles* files) {
  const bool same = served != nullptr && served->settings->tls.tickets == settings;
  std::vector<std::string> paths = Named({settings.file});
  const FileSet<tls::TicketSecrets>* const before =
      served == nullptr ? nullptr : Before(same, served->tls->files.tickets);
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
        ": anybody on this machine may read these ticket secrets, and with them decrypt what is "
        "recorded of TLS 1.2 and resume what others began; chmod o-r would end that");
  }
  return absl::OkStatus();
}

absl::Status ReadBackend(const BackendTls& settings, const ServedRoute* served, Reread reread,
                         absl::Time now, RouteFiles* files) {
  const bool of_system = settings.ca.empty() && !settings.insecure_skip_verify;
  std::vector<std::string> paths = Named(
      {of_system ? tls::TrustStore::SystemBundle() : settings.ca, settings.cert, settings.key});
  const bool same = served != nullptr && served->settings->backend_tls == settings;
  const FileSet<const BackendCredentials>* const before =
      served == nullptr ? nullptr : Before(same, served->tls->files.backend);
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
    auto context = tls::BackendContext::Create(OptionsOf(settings, *credentials));
    if (!context.ok()) return context.status();
    return credentials;
  };
  auto set = ReadFileSet(std::move(paths), before, reread, read);
  if (!set.ok()) return set.status();
  files->backend = *std::move(set);
  return absl::OkStatus();
}

template <typename T>
bool SameContent(const FileSet<T>& a, const FileSet<T>& b) {
  return a.content == b.content;
}

// What is agreed on with a client is what a backend is offered: where that is TLS, of what the
// route speaks with clients only what it also allows to backends.
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

bool SameServer(const Route& route, const ServedRoute& served, const RouteFiles& files) {
  const RouteFiles& before = served.tls->files;
  return served.tls->server != nullptr && served.settings->tls == route.tls &&
         AlpnOf(*served.settings) == AlpnOf(route) && SameContent(before.clients, files.clients) &&
         SameContent(before.tickets, files.tickets) &&
         std::equal(before.certificates.begin(), before.certificates.end(),
                    files.certificates.begin(), files.certificates.end(),
                    SameContent<const tls::Credential>);
}

absl::Status LoadServer(const Route& route, const ServedRoute* served, Reread reread,
                        const tls::TicketSecrets::Clocks& clocks, RouteTls* loaded) {
  const ServerTls& settings = route.tls;
  RouteFiles& files = loaded->files;
  absl::Status status = ReadCertificates(
      settings, served == nullptr ? nullptr : &served->tls->files, reread, clocks.wall(), &files);
  if (status.ok()) status = ReadClients(settings.client, served, reread, clocks.wall(), &files);
  if (status.ok()) status = ReadTickets(settings.tickets, served, reread, clocks, &files);
  if (!status.ok()) return status;
  if (served != nullptr && SameServer(route, *served, files)) {
    loaded->server = served->tls->server;
    return absl::OkStatus();
  }
  tls::ServerOptions options = OptionsOf(settings);
  options.alpn = AlpnOf(route);
  for (const auto& set : files.certificates) options.certificates.push_back(set.content);
  options.clients = files.clients.content->policy;
  auto context = tls::ServerContext::Create(options);
  if (!context.ok()) return context.status();
  // A ticket stands for a client that was let in: who may be one is part of what it is good for.
  const std::string binding = absl::StrCat(route.name, "\n", tls::PolicyDigest(options.clients));
  tls::InstallTicketKeys(files.tickets.content, binding, (*context)->ssl_ctx());
  loaded->server = *std::move(context);
  return absl::OkStatus();
}

absl::Status LoadBackend(const BackendTls& settings, const ServedRoute* served, Reread reread,
                         absl::Time now, RouteTls* loaded) {
  absl::Status status = ReadBackend(settings, served, reread, now, &loaded->files);
  if (!status.ok()) return status;
  if (served != nullptr && served->tls->backend != nullptr &&
      served->settings->backend_tls == settings &&
      SameContent(served->tls->files.backend, loaded->files.backend)) {
    loaded->backend = served->tls->backend;
    return absl::OkStatus();
  }
  auto context = tls::BackendContext::Create(OptionsOf(settings, *loaded->files.backend.content));
  if (!context.ok()) return context.status();
  loaded->backend = *std::move(context);
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

tls::TicketSecrets::Clocks ClocksOf(const Clock* clock) {
  return {.wall = [clock] { return clock->Wall(); },
          .monotonic = [clock] { return clock->Monotonic(); }};
}

absl::StatusOr<RouteTls> LoadRouteTls(const Route& route, const ServedRoute* served, Reread reread,
                                      const tls::TicketSecrets::Clocks& clocks) {
  RouteTls loaded;
  if (route.action != RouteAction::kForward || route.tls_mode == TlsMode::kPassthrough) {
    return loaded;
  }
  absl::Status status = LoadServer(route, served, reread, clocks, &loaded);
  if (status.ok() && route.tls_mode == TlsMode::kTerminateAndReencrypt) {
    status = LoadBackend(route.backend_tls, served, reread, clocks.wall(), &loaded);
  }
  if (!status.ok()) return status;
  return loaded;
}

RouteFindings JudgeRoute(const Route& route, absl::FunctionRef<bool(absl::string_view part)> judged,
                         const tls::TicketSecrets::Clocks& clocks) {
  RouteFindings findings;
  if (route.action != RouteAction::kForward || route.tls_mode == TlsMode::kPassthrough) {
    return findings;
  }
  RouteTls tls;
  bool all = true;
  const auto judge = [&](std::string part, auto read) {
    if (!judged(part)) {
      all = false;
    } else if (const absl::Status status = read(); !status.ok()) {
      all = false;
      findings.problems.push_back({std::move(part), std::string(status.message())});
    }
  };
  ServerTls one = route.tls;
  for (size_t i = 0; i < route.tls.certificates.size(); ++i) {
    one.certificates = {route.tls.certificates[i]};
    judge(absl::StrCat("tls.certificates[", i, "]"),
          [&] { return ReadCertificates(one, nullptr, Reread::kAll, clocks.wall(), &tls.files); });
  }
  judge("tls.client_auth", [&] {
    return ReadClients(route.tls.client, nullptr, Reread::kAll, clocks.wall(), &tls.files);
  });
  judge("tls.tickets",
        [&] { return ReadTickets(route.tls.tickets, nullptr, Reread::kAll, clocks, &tls.files); });
  if (route.tls_mode == TlsMode::kTerminateAndReencrypt) {
    judge("backend_tls", [&] {
      return ReadBackend(route.backend_tls, nullptr, Reread::kAll, clocks.wall(), &tls.files);
    });
  }
  if (all && judged("tls")) {
    // Of what has been read just now.
    const ServedRoute read = {&route, &tls};
    absl::StatusOr<RouteTls> whole = LoadRouteTls(route, &read, Reread::kChanged, clocks);
    if (whole.ok()) {
      tls = *std::move(whole);
    } else {
      findings.problems.push_back({"tls", std::string(whole.status().message())});
    }
  }
  findings.warnings = TlsWarnings(route, tls);
  return findings;
}

void ForEachFileSet(const RouteTls& tls, absl::FunctionRef<void(const FileSetState&)> visit) {
  const auto show = [&visit](const char* what, const auto& set) {
    if (!set.paths.empty()) visit({what, set.paths, set.stamp, set.digest, set.problem, set.once});
  };
  for (const auto& set : tls.files.certificates) show("certificate", set);
  show("clients", tls.files.clients);
  show("tickets", tls.files.tickets);
  show("backend", tls.files.backend);
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

bool IsUnchanged(const RouteTls& before, const RouteTls& after) {
  if (before.down != after.down) return false;
  if (before.server != after.server || before.backend != after.backend) return false;
  std::vector<FileSetState> old;
  ForEachFileSet(before, [&old](const FileSetState& set) { old.push_back(set); });
  size_t at = 0;
  bool same = true;
  ForEachFileSet(after, [&](const FileSetState& set) {
    same = same && at < old.size() && old[at].stamp == set.stamp && old[at].problem == set.problem;
    ++at;
  });
  return same;
}

}  // namespace tlsbridge
