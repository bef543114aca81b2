// A numeric socket address, as given on a command line.
#pragma once

#include <sys/socket.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tlsbridge::bench {

class Address {
 public:
  // Accepts "127.0.0.1:443" and "[::1]:443". Names are refused: a benchmark must not wait for a
  // resolver.
  static absl::StatusOr<Address> Parse(absl::string_view text);
  // The address that the socket is bound to.
  static Address OfSocket(int fd);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const { return length_; }
  int family() const { return storage_.ss_family; }
  std::string ToString() const;

 private:
  sockaddr_storage storage_ = {};
  socklen_t length_ = 0;
};

}  // namespace tlsbridge::bench
