#include "router/config/kernel_reach.h"

#include <algorithm>

namespace tlsbridge {

absl::string_view WhyKernelCannotServe(const Listener& listener) {
  const SocketAddress& address = listener.address;
  if (address.is_unix()) return "is a UNIX socket, which has no packets";
  if (address.is_loopback()) return "is on loopback, from which the kernel forwards nothing";
  if (address.has_zone()) return "is an address of one link only";
  if (address.port() == 0) return "has port 0, a different port at each start";
  if (!listener.proxy_protocol_from.empty()) {
    return "has proxy_protocol_from, and the kernel reads no PROXY protocol headers";
  }
  return "";
}

absl::string_view WhyKernelCannotForwardTo(const SocketAddress& backend) {
  if (backend.is_unix()) return "is a UNIX socket, which has no packets";
  if (backend.is_loopback()) return "is on loopback, to which the kernel forwards nothing";
  if (backend.is_wildcard()) return "is not the address of a single machine";
  if (backend.has_zone()) return "is an address of one link only";
  return "";
}

bool KernelForwardsAny(const Config& config) {
  return std::any_of(config.routes.begin(), config.routes.end(), [](const Route& route) {
    return route.forwarding_engine == ForwardingEngine::kNftables;
  });
}

}  // namespace tlsbridge
