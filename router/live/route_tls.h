// A route's TLS, made of its files now and whenever they change.
//
// Thread: any. Failure: a Status that names the file and the reason; nothing is half-made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bridge/event/clock.h"
#include "router/config/config.h"
#include "router/live/route_files.h"
#include "tls/backend_context.h"
#include "tls/server_context.h"
#include "tls/tickets/ticket_secrets.h"

namespace tlsbridge {

struct RouteTls {
  std::shared_ptr<const tls::ServerContext> server;    // null where TLS is passed through
  std::shared_ptr<const tls::BackendContext> backend;  // null where backends get plaintext
  RouteFiles files;
  // Why the files could not be used, at the start and ever since: clients of the route are refused
  // until they can. Empty for a route that is served.
  std::string down;
};

// Whether all that is served, and all that is known of the files, is the same.
bool IsUnchanged(const RouteTls& before, const RouteTls& after);

// `clock` outlives what is made with them.
tls::TicketSecrets::Clocks ClocksOf(const Clock* clock);

// A route that is served.
struct ServedRoute {
  const Route* settings;
  const RouteTls* tls;
};

// `served` is the route of the same name, or null. Of that is kept what has not changed; and where
// files have become bad, what they held before.
absl::StatusOr<RouteTls> LoadRouteTls(const Route& route, const ServedRoute* served, Reread reread,
                                      const tls::TicketSecrets::Clocks& clocks);

// What is wrong or odd about what a route names.
struct RouteFinding {
  std::string part;  // "tls.certificates[1]", "tls.client_auth", ...; empty: the route as a whole
  std::string message;
};
struct RouteFindings {
  std::vector<RouteFinding> problems;  // what keeps the route from being served
  std::vector<RouteFinding> warnings;
  RouteTls tls;  // of what could be read
};
// All of it. `is_sound` says of which parts; where it is all of them, of the whole as well.
RouteFindings CheckRouteFiles(const Route& route,
                              absl::FunctionRef<bool(absl::string_view part)> is_sound,
                              const tls::TicketSecrets::Clocks& clocks);

}  // namespace tlsbridge
