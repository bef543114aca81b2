// A service manager's ear, as a test has it: a datagram socket and what has come there.
//
// Thread: the test's. Owner: the test. Failure: EXPECTs of gtest.
#pragma once

#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"

namespace tlsbridge::testing {

class ListeningManager {
 public:
  // On an abstract name, or on `path`.
  explicit ListeningManager(const std::string& path = "") {
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    socklen_t length = sizeof(sa_family_t);  // the kernel gives an abstract name
    if (!path.empty()) {
      strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
      length = sizeof(address);
    }
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0) << strerror(errno);
    length = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    name_ = path.empty() ? "@" + std::string(address.sun_path + 1,
                                             length - offsetof(sockaddr_un, sun_path) - 1)
                         : path;
  }
  ListeningManager(const ListeningManager&) = delete;
  ListeningManager& operator=(const ListeningManager&) = delete;
  ~ListeningManager() { close(fd_); }

  // For NOTIFY_SOCKET.
  const std::string& name() const { return name_; }

  // The next message; empty if none comes within `patience_ms`. `descriptor` gets one that came
  // along, or -1.
  std::string Next(int patience_ms = 0, int* descriptor = nullptr) {
    pollfd readable = {fd_, POLLIN, 0};
    if (poll(&readable, 1, patience_ms) != 1) return "";
    char text[4096];
    iovec data = {text, sizeof(text)};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t length = recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
    EXPECT_GE(length, 0) << strerror(errno);
    int came = -1;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
      memcpy(&came, CMSG_DATA(header), sizeof(came));
    }
    if (descriptor != nullptr) {
      *descriptor = came;
    } else if (came >= 0) {
      close(came);
    }
    return {text, static_cast<size_t>(length < 0 ? 0 : length)};
  }

 private:
  int fd_ = -1;
  std::string name_;
};

}  // namespace tlsbridge::testing
