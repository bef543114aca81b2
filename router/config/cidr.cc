#include "router/config/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

constexpr int kMappedBits = 96;

IpBytes Mapped(const in_addr& address) {
  IpBytes bytes = {};
  bytes[10] = bytes[11] = 0xff;
  memcpy(&bytes[12], &address, sizeof(address));
  return bytes;
}

bool IsMapped(const IpBytes& bytes) {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](uint8_t b) { return b == 0; }) &&
         bytes[10] == 0xff && bytes[11] == 0xff;
}

bool Bit(const IpBytes& bytes, int index) {
  return (bytes[static_cast<size_t>(index / 8)] >> (7 - index % 8) & 1) != 0;
}

}  // namespace

bool ToIpBytes(const SocketAddress& address, IpBytes* bytes) {
  if (address.family() == AF_INET) {
    *bytes = Mapped(reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr);
    return true;
  }
  if (address.family() == AF_INET6) {
    memcpy(bytes->data(), &reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr,
           bytes->size());
    return true;
  }
  return false;
}

SocketAddress ToSocketAddress(const IpBytes& address, uint16_t port) {
  if (IsMapped(address)) {
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    memcpy(&v4.sin_addr, &address[12], sizeof(v4.sin_addr));
    return SocketAddress::From(reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  }
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  memcpy(&v6.sin6_addr, address.data(), address.size());
  return SocketAddress::From(reinterpret_cast<const sockaddr*>(&v6), sizeof(v6));
}

absl::StatusOr<Cidr> Cidr::Parse(absl::string_view text) {
  const auto wrong = [text] {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", text, "' is not an address or block; use 10.0.0.0/8, 2001:db8::/32 or one address"));
  };
  // inet_pton() would stop there.
  if (absl::StrContains(text, '\0')) return wrong();
  if (absl::StrContains(text, '%')) {
    return absl::InvalidArgumentError(absl::StrCat("'", text,
                                                   "' has a zone, which is not allowed in a block; "
                                                   "use 10.0.0.0/8, 2001:db8::/32 or one address"));
  }
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  Cidr cidr;
  in_addr v4;
  int offset = 0;
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    cidr.prefix_ = Mapped(v4);
    offset = kMappedBits;
  } else if (inet_pton(AF_INET6, address.c_str(), cidr.prefix_.data()) != 1) {
    return wrong();
  }
  cidr.length_ = 128;
  if (slash != absl::string_view::npos) {
    const absl::string_view digits = text.substr(slash + 1);
    int bits = 0;
    if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0') ||
        digits.find_first_not_of("0123456789") != absl::string_view::npos ||
        !absl::SimpleAtoi(digits, &bits) || bits + offset > 128) {
      return wrong();
    }
    cidr.length_ = bits + offset;
  }
  for (int i = cidr.length_; i < 128; ++i) {
    if (Bit(cidr.prefix_, i)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", text, "' has bits set beyond its prefix length"));
    }
  }
  return cidr;
}

Cidr Cidr::Around(const SocketAddress& address, int bits_of_v4, int bits_of_v6) {
  Cidr cidr;
  if (!ToIpBytes(address, &cidr.prefix_)) return cidr;
  cidr.length_ = IsMapped(cidr.prefix_) ? kMappedBits + bits_of_v4 : bits_of_v6;
  for (size_t i = 0; i < cidr.prefix_.size(); ++i) {
    const int kept = std::clamp(cidr.length_ - static_cast<int>(i) * 8, 0, 8);
    cidr.prefix_[i] &= static_cast<uint8_t>(0xff00 >> kept);
  }
  return cidr;
}

bool Cidr::Contains(const IpBytes& address) const {
  const auto whole = static_cast<size_t>(length_ / 8);
  if (!std::equal(prefix_.begin(), prefix_.begin() + whole, address.begin())) return false;
  const int rest = length_ % 8;
  return rest == 0 || ((prefix_[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool Cidr::Contains(const SocketAddress& address) const {
  IpBytes bytes;
  return ToIpBytes(address, &bytes) && Contains(bytes);
}

std::string Cidr::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (length_ >= kMappedBits && IsMapped(prefix_)) {
    inet_ntop(AF_INET, &prefix_[12], text, sizeof(text));
    return absl::StrCat(text, "/", length_ - kMappedBits);
  }
  inet_ntop(AF_INET6, prefix_.data(), text, sizeof(text));
  return absl::StrCat(text, "/", length_);
}

}  // namespace tlsbridge
