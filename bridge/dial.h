// Begins a connection to a backend.
//
// Thread: the worker's; never blocks. Owner: the caller owns the descriptor.
// Failure: an errno in the result.
#ifndef TLSBRIDGE_BRIDGE_DIAL_H_
#define TLSBRIDGE_BRIDGE_DIAL_H_

#include "bridge/socket_address.h"
#include "bridge/socket_options.h"

namespace tlsbridge {

struct DialResult {
  int fd = -1;
  int error = 0;  // of socket() or connect(); `fd` is -1 then
};

DialResult Dial(const SocketAddress& address, const TcpOptions& options);

}  // namespace tlsbridge

#endif  // TLSBRIDGE_BRIDGE_DIAL_H_
