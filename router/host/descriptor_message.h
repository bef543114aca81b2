// A message on a UNIX socket with descriptors beside it: SCM_RIGHTS, unix(7).
//
// Thread: any. Failure: errno is set, as sendmsg(2) and recvmsg(2) do.
#pragma once

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <vector>

#include "absl/types/span.h"

namespace tlsbridge {

// The kernel takes no more beside one message (SCM_MAX_FD).
inline constexpr size_t kMostDescriptors = 253;

struct MessageAddress {
  const sockaddr* address = nullptr;  // null: where the socket is connected to
  socklen_t length = 0;
};

// The descriptors stay the caller's. -1 for what could not be sent.
ssize_t SendWithDescriptors(int socket, absl::Span<const char> bytes,
                            absl::Span<const int> descriptors, int flags,
                            const MessageAddress& to = {});

struct ReceivedMessage {
  ssize_t size = -1;             // as of recvmsg(2)
  int flags = 0;                 // MSG_TRUNC, MSG_CTRUNC
  std::vector<int> descriptors;  // the caller's; CLOEXEC
};
// With room for so many descriptors; the kernel closes others.
ReceivedMessage ReceiveWithDescriptors(int socket, absl::Span<char> buffer, size_t most_descriptors,
                                       int flags);

}  // namespace tlsbridge
