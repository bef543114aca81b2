#include "bridge/socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tlsbridge {
namespace {

constexpr char kForms[] =
    "; use HOST:PORT with a numeric host, [IPV6]:PORT, unix:/PATH or unix:@NAME";
constexpr socklen_t kUnnamedUnixLength = offsetof(sockaddr_un, sun_path);

absl::Status Refuse(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("invalid address '", text, "': ", why, kForms));
}

const sockaddr_in* AsV4(const SocketAddress& a) {
  return a.family() == AF_INET ? reinterpret_cast<const sockaddr_in*>(a.get()) : nullptr;
}

const sockaddr_in6* AsV6(const SocketAddress& a) {
  return a.family() == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(a.get()) : nullptr;
}

// Of all those that have one (RFC 4007, section 4), what anybody listens on or dials.
bool HasZone(const in6_addr& address) { return IN6_IS_ADDR_LINKLOCAL(&address); }

// A name or a number (RFC 4007, section 11.2); 0 if it is no interface's.
uint32_t ZoneOf(const std::string& text) {
  if (const uint32_t index = if_nametoindex(text.c_str()); index != 0) return index;
  uint32_t number = 0;
  char name[IF_NAMESIZE];
  const bool digits = std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(text, &number)) return 0;
  return if_indextoname(number, name) == nullptr ? 0 : number;
}

// Behind an address: "%eth0", or the number if the interface has gone.
std::string ZoneText(const sockaddr_in6& address) {
  if (address.sin6_scope_id == 0) return {};
  char name[IF_NAMESIZE];
  if (if_indextoname(address.sin6_scope_id, name) != nullptr) return absl::StrCat("%", name);
  return absl::StrCat("%", address.sin6_scope_id);
}

}  // namespace

absl::StatusOr<SocketAddress> SocketAddress::Parse(absl::string_view text) {
  // The system would read no further.
  if (absl::StrContains(text, '\0')) return Refuse(text, "NUL byte in the address");
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const bool abstract = absl::StartsWith(rest, "@");
    if (!abstract && !absl::StartsWith(rest, "/")) {
      return Refuse(text, "a UNIX path must be absolute");
    }
    if (rest == "@") return Refuse(text, "missing name after the @");
    // The byte for the @ is that of the leading NUL, so that the limit is the same for both.
    if (rest.size() >= sizeof(address.sun_path)) {
      return Refuse(text, absl::StrCat("UNIX path or name too long (limit ",
                                       sizeof(address.sun_path) - 1, " bytes)"));
    }
    memcpy(address.sun_path, rest.data(), rest.size());
    if (abstract) address.sun_path[0] = '\0';
    // An abstract name has its length, no NUL at the end: one would belong to it (unix(7)).
    return From(reinterpret_cast<const sockaddr*>(&address),
                static_cast<socklen_t>(kUnnamedUnixLength + rest.size() + (abstract ? 0 : 1)));
  }

  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return Refuse(text, "missing port");
  uint32_t port;
  const absl::string_view port_text = text.substr(colon + 1);
  const bool digits = std::all_of(port_text.begin(), port_text.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(port_text, &port) || port > 65535) {
    return Refuse(text, "invalid port (0 to 65535)");
  }
  std::string host(text.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";

  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<uint16_t>(port));
    const std::string inside = host.substr(1, host.size() - 2);
    const size_t percent = inside.find('%');
    if (inet_pton(AF_INET6, inside.substr(0, percent).c_str(), &address.sin6_addr) != 1) {
      return Refuse(text, "not an IPv6 address between the brackets");
    }
    const bool has_zone = percent != std::string::npos;
    if (has_zone != HasZone(address.sin6_addr)) {
      return Refuse(text, has_zone ? "only link-local addresses (fe80::/10) have a zone"
                                   : "a link-local address needs its zone ([fe80::1%eth0]:PORT)");
    }
    if (has_zone) address.sin6_scope_id = ZoneOf(inside.substr(percent + 1));
    if (has_zone && address.sin6_scope_id == 0) {
      return Refuse(text, "its zone is not an interface of this machine");
    }
    return From(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    return Refuse(text, host.empty() ? "missing host (0.0.0.0 is every IPv4 address of this "
                                       "machine, [::] every IPv6 address)"
                                     : "the host is not an IPv4 address");
  }
  return From(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

SocketAddress SocketAddress::From(const sockaddr* address, socklen_t length) {
  SocketAddress result;
  result.length_ = std::min<socklen_t>(length, sizeof(result.storage_));
  memcpy(&result.storage_, address, result.length_);
  return result;
}

SocketAddress SocketAddress::LocalOf(int fd) {
  sockaddr_storage address;
  socklen_t length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return From(reinterpret_cast<const sockaddr*>(&address), length);
}

SocketAddress SocketAddress::PeerOf(int fd) {
  sockaddr_storage address;
  socklen_t length = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return From(reinterpret_cast<const sockaddr*>(&address), length);
}

uint16_t SocketAddress::port() const {
  if (const auto* v4 = AsV4(*this)) return ntohs(v4->sin_port);
  if (const auto* v6 = AsV6(*this)) return ntohs(v6->sin6_port);
  return 0;
}

bool SocketAddress::is_loopback() const {
  if (is_unix()) return true;
  if (const auto* v4 = AsV4(*this)) return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
  if (const auto* v6 = AsV6(*this)) {
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
  }
  return false;
}

bool SocketAddress::is_wildcard() const {
  if (const auto* v4 = AsV4(*this)) return v4->sin_addr.s_addr == INADDR_ANY;
  const auto* v6 = AsV6(*this);
  return v6 != nullptr && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

bool SocketAddress::has_zone() const {
  const auto* v6 = AsV6(*this);
  return v6 != nullptr && v6->sin6_scope_id != 0;
}

std::string SocketAddress::abstract_name() const {
  if (!is_unix() || length_ <= kUnnamedUnixLength || storage_.un.sun_path[0] != '\0') return {};
  return std::string(storage_.un.sun_path + 1, length_ - kUnnamedUnixLength - 1);
}

std::string SocketAddress::unix_path() const {
  if (!is_unix() || length_ <= kUnnamedUnixLength) return {};
  return std::string(storage_.un.sun_path,
                     strnlen(storage_.un.sun_path, length_ - kUnnamedUnixLength));
}

std::string SocketAddress::ToString() const {
  if (is_unix()) {
    const std::string name = abstract_name();
    return name.empty() ? absl::StrCat("unix:", unix_path()) : absl::StrCat("unix:@", name);
  }
  char host[INET6_ADDRSTRLEN];
  if (const auto* v4 = AsV4(*this)) {
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
    return absl::StrCat(host, ":", port());
  }
  if (const auto* v6 = AsV6(*this)) {
    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
    return absl::StrCat("[", host, ZoneText(*v6), "]:", port());
  }
  return "-";
}

bool SocketAddress::IsOrBecame(const SocketAddress& bound) const {
  if (*this == bound) return true;
  if (is_unix() || port() != 0 || family() != bound.family()) return false;
  SocketAddress portless = bound;
  if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&portless.storage_)->sin_port = 0;
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&portless.storage_)->sin6_port = 0;
  return *this == portless;
}

std::string SocketAddress::ClientKey() const {
  if (const auto* v4 = AsV4(*this)) {
    return std::string(reinterpret_cast<const char*>(&v4->sin_addr), 4);
  }
  if (const auto* v6 = AsV6(*this)) {
    const char* bytes = reinterpret_cast<const char*>(&v6->sin6_addr);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return std::string(bytes + 12, 4);
    // All of a link share one /64.
    if (HasZone(v6->sin6_addr)) return std::string(bytes, 16) + ZoneText(*v6);
    return std::string(bytes, 8);
  }
  return "unix:";  // of a length that no address has
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  return a.length_ == b.length_ && memcmp(&a.storage_, &b.storage_, a.length_) == 0;
}

}  // namespace tlsbridge
