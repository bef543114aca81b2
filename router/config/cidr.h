// A block of IP addresses: "10.0.0.0/8", "2001:db8::/32", or one address.
//
// An IPv4-mapped IPv6 address is the IPv4 address that it stands for, on both sides.
//
// Thread: any; a value. Failure: Parse() returns a Status that says what is allowed.
#pragma once

#include <stdint.h>

#include <array>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bridge/socket_address.h"

namespace tlsbridge {

// 16 bytes, IPv4 in its mapped form (RFC 4291 section 2.5.5.2).
using IpBytes = std::array<uint8_t, 16>;

// False for what is no IP address.
bool ToIpBytes(const SocketAddress& address, IpBytes* bytes);
// The other way: what is mapped becomes IPv4.
SocketAddress ToSocketAddress(const IpBytes& address, uint16_t port);

class Cidr {
 public:
  // A prefix with bits set behind its length is refused: it is a mistake more often than not.
  static absl::StatusOr<Cidr> Parse(absl::string_view text);

  // The one around `address`, of so many bits; for what is no IP address, all there are.
  static Cidr Around(const SocketAddress& address, int bits_of_v4, int bits_of_v6);

  bool Contains(const IpBytes& address) const;
  bool Contains(const SocketAddress& address) const;

  const IpBytes& prefix() const { return prefix_; }
  int length() const { return length_; }  // of 128 bits; 96 more than written for IPv4
  std::string ToString() const;

  friend bool operator==(const Cidr& a, const Cidr& b) {
    return a.prefix_ == b.prefix_ && a.length_ == b.length_;
  }

 private:
  IpBytes prefix_ = {};
  int length_ = 0;
};

}  // namespace tlsbridge
