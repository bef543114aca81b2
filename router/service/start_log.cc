#include "router/service/start_log.h"

#include <stddef.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/limits/budget.h"
#include "router/log/few_lines.h"
#include "router/log/log.h"

namespace tlsbridge {

void LogRoutes(const Config& config) {
  constexpr size_t kMost = 50;
  for (size_t i = 0; i < std::min(config.routes.size(), kMost); ++i) {
    const Route& route = config.routes[i];
    LogEvent(LogLevel::kInfo, "route")
        .Text("name", route.name)
        .Text("backends",
              absl::StrJoin(route.backends, ",", [](std::string* out, const Backend& b) {
                absl::StrAppend(out, b.address.ToString());
              }));
  }
}

// A UNIX socket cannot be reset: its peer reads the same end, cut short or not, unless it had sent
// something that was still unread.
void LogUnixBackends(const Config& config) {
  FewLines lines(LogLevel::kInfo, "unix_backend_cannot_see_truncation");
  for (const Route& route : config.routes) {
    if (route.bridge.accept_truncation || route.tls_mode != TlsMode::kTerminate) continue;
    for (const Backend& backend : route.backends) {
      if (!backend.address.socket.is_unix()) continue;
      lines.Tell([&backend](LogEvent& event) {
        event.Text("backend", backend.address.socket.ToString())
            .Text("hint",
                  "a UNIX socket cannot show the backend that a request was cut short; if that "
                  "matters, use TCP");
      });
    }
  }
}

void LogReady(const Config& config, const Capacity& capacity) {
  LogEvent(LogLevel::kInfo, "ready")
      .Number("routes", static_cast<int64_t>(config.routes.size()))
      .Number("routes_down", capacity.routes_down)
      .Number("workers", capacity.workers)
      .Number("max_connections", capacity.connections)
      .Number("max_handshakes", capacity.handshakes)
      .Number("max_handshakes_per_ip", capacity.handshakes_per_ip)
      .Number("descriptors", capacity.descriptors)
      .Number("generation", capacity.generation)
      .Text("sandbox", capacity.sandbox);
  const int64_t wanted = config.limits.connections;
  if (!AreFew(capacity.connections, wanted)) return;
  LogEvent(LogLevel::kWarning, "few_connections")
      .Number("max_connections", capacity.connections)
      .Number("wanted", wanted)
      .Number("descriptors", capacity.descriptors)
      .Text("message",
            "only so many connections fit the open-file limit or memory; each needs 2 descriptors: "
            "raise LimitNOFILE= (ulimit -Hn)");
}

}  // namespace tlsbridge
