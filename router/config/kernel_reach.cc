#include "router/config/kernel_reach.h"

namespace tlsbridge {

absl::string_view WhyKernelCannotServe(const Listener& listener) {
  const SocketAddress& address = listener.address;
  if (address.is_unix()) return "is a UNIX socket, which has no packets";
  if (address.is_loopback()) return "is on loopback, out of which nothing is forwarded";
  if (address.has_zone()) return "is an address of one link only";
  if (address.port() == 0) return "has port 0, which is another one each time";
  if (!listener.proxy_protocol_from.empty()) {
    return "has proxy_protocol_from, and the kernel reads no PROXY protocol headers";
  }
  return "";
}

absl::string_view WhyKernelCannotForwardTo(const SocketAddress& backend) {
  if (backend.is_unix()) return "is a UNIX socket, which has no packets";
  if (backend.is_loopback()) return "is on loopback, into which nothing is forwarded";
  if (backend.is_wildcard()) return "is no address of one machine";
  if (backend.has_zone()) return "is an address of one link only";
  return "";
}

}  // namespace tlsbridge
