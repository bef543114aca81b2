// Which errors say something of this machine, and nothing of the peer.
//
// Thread: any. Failure: none.
#pragma once

#include <errno.h>

namespace tlsbridge {

// Out of descriptors, memory, ports or epoll watches, or no right to dial: here, not there.
inline bool IsLocalError(int error) {
  switch (error) {
    case EACCES:
    case EADDRNOTAVAIL:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
    case EPERM:
      return true;
    default:
      return false;
  }
}

// Of those, what may be over in a moment: somebody gives back what we are out of.
inline bool IsShortage(int error) {
  return IsLocalError(error) && error != EACCES && error != EPERM;
}

}  // namespace tlsbridge
