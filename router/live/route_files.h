// The files that a route's TLS is made of, each set read as one.
//
// Thread: any. Failure: a Status that names the file and the reason.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "router/config/config.h"
#include "router/live/renewal/file_set.h"
#include "tls/backend_context.h"
#include "tls/certificates/credential.h"
#include "tls/certificates/key_pair.h"
#include "tls/tickets/ticket_secrets.h"
#include "tls/trust/client_verifier.h"
#include "tls/trust/trust_files.h"

namespace tlsbridge {

// What a route shows to its backends, and whom it trusts there.
struct BackendCredentials {
  std::string ca_pem;        // empty: the system's
  tls::TrustFacts trust;     // of ca_pem
  tls::KeyPair certificate;  // without a key: none
};

// What is asked of a route's clients.
struct ClientFiles {
  tls::ClientPolicy policy;
  tls::TrustFacts trust;  // of its CAs and CRLs
};

// Each set is renewed by itself: a bad one does not keep a good one from being served.
struct RouteFiles {
  std::vector<FileSet<const tls::Credential>> certificates;
  FileSet<const ClientFiles> clients;
  FileSet<tls::TicketSecrets> tickets;
  std::string tickets_warning;  // what is odd about that file; empty for nothing
  FileSet<const BackendCredentials> backend;
};

// One set, whatever is in it.
struct FileSetState {
  absl::string_view what;  // "certificate", "clients", "tickets" or "backend"
  absl::Span<const std::string> paths;
  uint64_t fingerprint;
  uint64_t digest;
  absl::string_view problem;
  bool once;  // it came through a pipe
};
void ForEachFileSet(const RouteFiles& files, absl::FunctionRef<void(const FileSetState&)> visit);
// Every file that `route` names, whatever is in it.
std::vector<std::string> FilesOf(const Route& route);
// What a route of the same name holds; null where none is served.
struct ServedFiles {
  const Route* settings = nullptr;
  const RouteFiles* files = nullptr;
};

// Each reads one kind of set into `files`. Of what is served is kept what has not changed; and
// where files have become bad, what they held before.
absl::Status ReadCertificates(const ServerTls& settings, ServedFiles served, Reread reread,
                              absl::Time now, RouteFiles* files);
absl::Status ReadClients(const ClientAuth& settings, ServedFiles served, Reread reread,
                         absl::Time now, RouteFiles* files);
absl::Status ReadTickets(const Tickets& settings, ServedFiles served, Reread reread,
                         const tls::TicketSecrets::Clocks& clocks, RouteFiles* files);
absl::Status ReadBackend(const BackendTls& settings, ServedFiles served, Reread reread,
                         absl::Time now, RouteFiles* files);

absl::StatusOr<std::shared_ptr<const tls::BackendContext>> MakeBackendContext(
    const BackendTls& settings, const BackendCredentials& credentials);

// Whatever the dates of its CRLs; for `tlsbridge explain`, too.
absl::StatusOr<tls::ClientPolicy> LoadClientPolicy(const ClientAuth& settings);

}  // namespace tlsbridge
