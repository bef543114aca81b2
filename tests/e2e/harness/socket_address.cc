#include "tests/e2e/harness/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tlsbridge::e2e {

absl::StatusOr<SocketAddress> SocketAddress::Parse(absl::string_view text) {
  SocketAddress result;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    auto* address = reinterpret_cast<sockaddr_un*>(&result.storage_);
    if (rest.size() >= sizeof(address->sun_path)) {
      return absl::InvalidArgumentError(absl::StrCat("path too long: ", text));
    }
    address->sun_family = AF_UNIX;
    std::memcpy(address->sun_path, rest.data(), rest.size());
    result.size_bytes_ = sizeof(*address);
    if (!rest.empty() && rest.front() == '@') {
      // An abstract name ends with its last byte.
      address->sun_path[0] = '\0';
      result.size_bytes_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + rest.size());
    }
    return result;
  }

  const size_t colon = rest.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(rest.substr(colon + 1), &port) ||
      port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("no port: ", text));
  }
  absl::string_view host = rest.substr(0, colon);
  bool valid;
  if (absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]")) {
    auto* address = reinterpret_cast<sockaddr_in6*>(&result.storage_);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(static_cast<uint16_t>(port));
    valid = inet_pton(AF_INET6, std::string(host).c_str(), &address->sin6_addr) == 1;
    result.size_bytes_ = sizeof(*address);
  } else {
    auto* address = reinterpret_cast<sockaddr_in*>(&result.storage_);
    address->sin_family = AF_INET;
    address->sin_port = htons(static_cast<uint16_t>(port));
    valid = inet_pton(AF_INET, std::string(host).c_str(), &address->sin_addr) == 1;
    result.size_bytes_ = sizeof(*address);
  }
  if (!valid) return absl::InvalidArgumentError(absl::StrCat("no address: ", text));
  return result;
}

SocketAddress SocketAddress::LocalOf(int fd) {
  SocketAddress result;
  result.size_bytes_ = sizeof(result.storage_);
  getsockname(fd, reinterpret_cast<sockaddr*>(&result.storage_), &result.size_bytes_);
  return result;
}

std::string SocketAddress::ToString() const {
  char host[INET6_ADDRSTRLEN] = "";
  if (family() == AF_UNIX) {
    return absl::StrCat("unix:", reinterpret_cast<const sockaddr_un*>(&storage_)->sun_path);
  }
  if (family() == AF_INET6) {
    const auto* address = reinterpret_cast<const sockaddr_in6*>(&storage_);
    inet_ntop(AF_INET6, &address->sin6_addr, host, sizeof(host));
    return absl::StrCat("[", host, "]:", ntohs(address->sin6_port));
  }
  const auto* address = reinterpret_cast<const sockaddr_in*>(&storage_);
  inet_ntop(AF_INET, &address->sin_addr, host, sizeof(host));
  return absl::StrCat(host, ":", ntohs(address->sin_port));
}

}  // namespace tlsbridge::e2e
