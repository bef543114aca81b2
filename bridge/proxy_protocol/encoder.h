// Writes PROXY headers, for the front of a connection to a backend. The whole of it must be sent at
// once, before anything else (section 2).
//
// Thread: any. Failure: none; what cannot be said is left out.
#pragma once

#include <stddef.h>

#include <string>

#include "bridge/proxy_protocol/header.h"
#include "bridge/socket_address.h"

namespace tlsbridge::proxy_protocol {

// Version 1, kMaxLineBytes at most. UNKNOWN unless both are IPv4 or both are IPv6.
std::string EncodeLine(const SocketAddress& source, const SocketAddress& destination);

struct Encoded {
  std::string bytes;
  // A value that is too long is left out whole, never cut: half a name is another name. So a
  // backend must take the absence of a name as a client without one.
  size_t values_left_out = 0;
};

// Version 2, kMaxHeaderBytes at most, always with a checksum. Addresses that are not of one family
// become AF_UNSPEC. Values have their room in the order checksum, `others`, SSL, ALPN, authority,
// unique id. Left out: what does not fit into the room that is left, a unique id of more than
// kMaxUniqueIdBytes, and in `others` the types that have a field of their own.
Encoded EncodeBinary(const Header& header);

}  // namespace tlsbridge::proxy_protocol
