#include "router/routes/own_listener.h"

#include <netinet/in.h>

#include <algorithm>

namespace tlsbridge {
namespace {

bool IsWildcard(const SocketAddress& address) {
  if (address.family() == AF_INET) {
    return reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr.s_addr == INADDR_ANY;
  }
  return address.family() == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr);
}

bool Takes(const Route& route, uint16_t port) {
  const std::vector<PortRange>& ports = route.match.ports;
  return ports.empty() || std::any_of(ports.begin(), ports.end(), [port](const PortRange& range) {
           return range.first <= port && port <= range.last;
         });
}

// Of addresses other than loopback's it is not known here which are this machine's.
bool Reaches(const SocketAddress& backend, const SocketAddress& listener) {
  if (backend == listener) return backend.is_unix() || backend.port() != 0;
  return !backend.is_unix() && backend.family() == listener.family() &&
         backend.port() == listener.port() && backend.is_loopback() && IsWildcard(listener);
}

}  // namespace

std::optional<size_t> OwnListener(const Config& config, const Route& route,
                                  const SocketAddress& backend) {
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const SocketAddress& listener = config.listeners[i].address;
    if (Reaches(backend, listener) && Takes(route, listener.port())) return i;
  }
  return std::nullopt;
}

}  // namespace tlsbridge
