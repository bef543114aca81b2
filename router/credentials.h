// Reads the files that a route's TLS is made of.
//
// Thread: any. Failure: a Status that names the file and the reason; nothing is half-made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "router/config/config.h"
#include "tls/client_context.h"
#include "tls/server_context.h"
#include "tls/ticket_secrets.h"

namespace tlsbridge {

struct RouteTls {
  std::shared_ptr<const tls::ServerContext> server;    // null where TLS is passed through
  std::shared_ptr<const tls::ClientContext> backend;   // null where backends get plaintext
  std::shared_ptr<tls::TicketSecrets> ticket_secrets;  // of `server`
  std::vector<std::string> warnings;                   // each names its file
};

// `secrets` are those of the same route before, if it had the same ticket settings: what they
// encrypted goes on being accepted. Null for new ones.
absl::StatusOr<RouteTls> LoadRouteTls(const Route& route,
                                      std::shared_ptr<tls::TicketSecrets> secrets,
                                      const tls::TicketSecrets::Clock& wall_clock);

// As LoadRouteTls does for clients; for `tlsbridge explain`, too.
absl::StatusOr<tls::ClientPolicy> LoadClientPolicy(const ClientAuth& settings);

}  // namespace tlsbridge
