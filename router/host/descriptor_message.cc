#include "router/host/descriptor_message.h"

#include <string.h>

namespace tlsbridge {

ssize_t SendWithDescriptors(int socket, absl::Span<const char> bytes,
                            absl::Span<const int> descriptors, int flags,
                            const MessageAddress& to) {
  iovec data = {const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message = {};
  message.msg_name = const_cast<sockaddr*>(to.address);
  message.msg_namelen = to.length;
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  const size_t size = descriptors.size() * sizeof(int);
  std::vector<char> control(descriptors.empty() ? 0 : CMSG_SPACE(size));
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), descriptors.data(), size);
  }
  return sendmsg(socket, &message, flags | MSG_NOSIGNAL);
}

ReceivedMessage ReceiveWithDescriptors(int socket, absl::Span<char> buffer, size_t most_descriptors,
                                       int flags) {
  iovec data = {buffer.data(), buffer.size()};
  std::vector<char> control(CMSG_SPACE(most_descriptors * sizeof(int)));
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ReceivedMessage received;
  received.size = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  if (received.size < 0) return received;
  received.flags = message.msg_flags;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const size_t before = received.descriptors.size();
    received.descriptors.resize(before + count);
    memcpy(received.descriptors.data() + before, CMSG_DATA(header), count * sizeof(int));
  }
  return received;
}

}  // namespace tlsbridge
