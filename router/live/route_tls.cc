#include "router/live/route_tls.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "router/live/tls_options.h"
#include "router/live/tls_warnings.h"
#include "tls/tickets/ticket_keys.h"

namespace tlsbridge {
namespace {

ServedFiles FilesServed(const ServedRoute* served) {
  if (served == nullptr) return {};
  return {served->settings, &served->tls->files};
}

template <typename T>
bool SameContent(const FileSet<T>& a, const FileSet<T>& b) {
  return a.content == b.content;
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
  const ServedFiles before = FilesServed(served);
  absl::Status status = ReadCertificates(settings, before, reread, clocks.wall(), &files);
  if (status.ok()) status = ReadClients(settings.client, before, reread, clocks.wall(), &files);
  if (status.ok()) status = ReadTickets(settings.tickets, before, reread, clocks, &files);
  if (!status.ok()) return status;
  if (served != nullptr && SameServer(route, *served, files)) {
    loaded->server = served->tls->server;
    return absl::OkStatus();
  }
  tls::ServerOptions options = ServerOptionsOf(settings);
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
  absl::Status status = ReadBackend(settings, FilesServed(served), reread, now, &loaded->files);
  if (!status.ok()) return status;
  if (served != nullptr && served->tls->backend != nullptr &&
      served->settings->backend_tls == settings &&
      SameContent(served->tls->files.backend, loaded->files.backend)) {
    loaded->backend = served->tls->backend;
    return absl::OkStatus();
  }
  auto context = MakeBackendContext(settings, *loaded->files.backend.content);
  if (!context.ok()) return context.status();
  loaded->backend = *std::move(context);
  return absl::OkStatus();
}

}  // namespace

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

RouteFindings CheckRouteFiles(const Route& route,
                              absl::FunctionRef<bool(absl::string_view part)> is_sound,
                              const tls::TicketSecrets::Clocks& clocks) {
  RouteFindings findings;
  if (route.action != RouteAction::kForward || route.tls_mode == TlsMode::kPassthrough) {
    return findings;
  }
  RouteTls tls;
  bool all = true;
  const auto check = [&](std::string part, auto read) {
    if (!is_sound(part)) {
      all = false;
    } else if (const absl::Status status = read(); !status.ok()) {
      all = false;
      findings.problems.push_back({std::move(part), std::string(status.message())});
    }
  };
  ServerTls one = route.tls;
  for (size_t i = 0; i < route.tls.certificates.size(); ++i) {
    one.certificates = {route.tls.certificates[i]};
    check(absl::StrCat("tls.certificates[", i, "]"),
          [&] { return ReadCertificates(one, {}, Reread::kAll, clocks.wall(), &tls.files); });
  }
  check("tls.client_auth",
        [&] { return ReadClients(route.tls.client, {}, Reread::kAll, clocks.wall(), &tls.files); });
  check("tls.tickets",
        [&] { return ReadTickets(route.tls.tickets, {}, Reread::kAll, clocks, &tls.files); });
  if (route.tls_mode == TlsMode::kTerminateAndReencrypt) {
    check("backend_tls", [&] {
      return ReadBackend(route.backend_tls, {}, Reread::kAll, clocks.wall(), &tls.files);
    });
  }
  if (all && is_sound("tls")) {
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
  findings.tls = std::move(tls);
  return findings;
}

bool IsUnchanged(const RouteTls& before, const RouteTls& after) {
  if (before.down != after.down) return false;
  if (before.server != after.server || before.backend != after.backend) return false;
  std::vector<FileSetState> old;
  ForEachFileSet(before.files, [&old](const FileSetState& set) { old.push_back(set); });
  size_t at = 0;
  bool same = true;
  ForEachFileSet(after.files, [&](const FileSetState& set) {
    same = same && at < old.size() && old[at].fingerprint == set.fingerprint &&
           old[at].problem == set.problem;
    ++at;
  });
  return same;
}

}  // namespace tlsbridge
