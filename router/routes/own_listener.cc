#include "router/routes/own_listener.h"

namespace tlsbridge {
namespace {

// Of addresses other than loopback's it is not known here which are this machine's.
bool Reaches(const SocketAddress& backend, const SocketAddress& listener) {
  if (backend == listener) return backend.is_unix() || backend.port() != 0;
  return !backend.is_unix() && backend.family() == listener.family() &&
         backend.port() == listener.port() && backend.is_loopback() && listener.is_wildcard();
}

}  // namespace

std::optional<size_t> OwnListener(const Config& config, const Route& route,
                                  const SocketAddress& backend) {
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const SocketAddress& listener = config.listeners[i].address;
    if (Reaches(backend, listener) && route.match.TakesPort(listener.port())) return i;
  }
  return std::nullopt;
}

}  // namespace tlsbridge
