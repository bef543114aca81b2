// Who listens on an address, by the kernel's tables.
//
// Thread: any. Failure: none; a process that this user may not look at has no name.
#pragma once

#include <sys/types.h>

#include <string>

#include "bridge/socket_address.h"

namespace tlsbridge {

struct PortHolder {
  pid_t pid = 0;     // 0: not known
  std::string name;  // of its program
};

// Of a TCP port on any address of this machine; or of a UNIX socket, whose holder is asked.
PortHolder HolderOf(const SocketAddress& address);

}  // namespace tlsbridge
