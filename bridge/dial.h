// Begins a connection to a backend.
//
// Thread: the worker's; never blocks. Owner: the caller owns the descriptor.
// Failure: an errno in the result.
#pragma once

#include "bridge/socket_address.h"
#include "bridge/socket_options.h"

namespace tlsbridge {

struct DialResult {
  int fd = -1;
  int error = 0;           // of socket() or connect(); `fd` is -1 then
  bool connected = false;  // already; otherwise it becomes writable
};

DialResult Dial(const SocketAddress& address, const TcpOptions& options);

}  // namespace tlsbridge
