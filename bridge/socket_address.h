// Where a socket listens or connects: IPv4, IPv6, a UNIX path or an abstract UNIX name. Parsed from
// text; no name is looked up but that of an interface.
//
// Thread: any; a value. Failure: Parse() returns a Status that says what is allowed.
#pragma once

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tlsbridge {

class SocketAddress {
 public:
  SocketAddress() = default;  // no address: family() is AF_UNSPEC

  // "127.0.0.1:8443", "[::1]:8443", "[fe80::1%eth0]:8443" (the interface is looked up, and must be
  // there), "localhost:8443" (both loopback addresses are meant: 127.0.0.1
  // is taken), "unix:/run/app.sock", "unix:@name" (abstract: in no folder, gone with its socket).
  static absl::StatusOr<SocketAddress> Parse(absl::string_view text);

  // What the kernel reported for a socket. Too long a length is cut.
  static SocketAddress From(const sockaddr* address, socklen_t length);
  static SocketAddress LocalOf(int fd);
  static SocketAddress PeerOf(int fd);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const { return length_; }
  int family() const { return length_ == 0 ? AF_UNSPEC : get()->sa_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  uint16_t port() const;              // 0 for UNIX
  bool is_loopback() const;           // 127.0.0.0/8, ::1, their mapped form, or UNIX
  bool is_wildcard() const;           // 0.0.0.0 or [::], whatever the port
  bool has_zone() const;              // link-local, on one interface
  std::string unix_path() const;      // empty for an abstract name
  std::string abstract_name() const;  // without the @; the kernel's may have any byte in it

  // Whether a socket that was bound to this one reports `bound`: they are equal, but for a port
  // that this one left to the kernel.
  bool IsOrBecame(const SocketAddress& bound) const;

  // The form that Parse() takes; "unix:" for an unnamed UNIX peer, "-" for no address.
  std::string ToString() const;

  // For counting by client: IPv4 and IPv4-mapped IPv6 are equal, IPv6 counts by /64 (RFC 6177)
  // but for the link-local addresses of one link, which count each,
  // everybody on UNIX sockets is one.
  std::string ClientKey() const;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b);

 private:
  socklen_t length_ = 0;
  union {
    sockaddr_un un;  // the largest that is used; sockaddr_storage would double a record's share
    sockaddr any;
  } storage_ = {};
};

}  // namespace tlsbridge
