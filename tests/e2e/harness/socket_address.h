// An address in the words of our configuration, as the system calls take it.
// Any thread; a value. Parse() fails on anything but the three forms.

#pragma once

#include <sys/socket.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tlsbridge::e2e {

class SocketAddress {
 public:
  // "127.0.0.1:80", "[::1]:80", "unix:/path" or "unix:@name". No names are looked up.
  static absl::StatusOr<SocketAddress> Parse(absl::string_view text);
  // The address that a socket is bound to.
  static SocketAddress LocalOf(int fd);

  int family() const { return storage_.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size_bytes() const { return size_bytes_; }

  std::string ToString() const;

 private:
  SocketAddress() = default;

  sockaddr_storage storage_ = {};
  socklen_t size_bytes_ = 0;
};

}  // namespace tlsbridge::e2e
