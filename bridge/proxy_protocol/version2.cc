#include "bridge/proxy_protocol/version2.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <algorithm>
#include <bitset>
#include <string>
#include <utility>

#include "bridge/proxy_protocol/crc32c.h"

namespace tlsbridge::proxy_protocol {
namespace {

constexpr size_t kCommandAt = 12;
constexpr size_t kFamilyAt = 13;
constexpr size_t kLengthAt = 14;

uint8_t Byte(absl::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

uint32_t BigEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t at = 0; at < bytes.size(); ++at) value = value << 8 | Byte(bytes, at);
  return value;
}

bool IsLocal(absl::string_view bytes) {
  return Byte(bytes, kCommandAt) == (kVersion | kLocalCommand);
}
uint8_t FamilyOf(absl::string_view bytes) { return Byte(bytes, kFamilyAt) & 0xf0; }
uint8_t TransportOf(absl::string_view bytes) { return Byte(bytes, kFamilyAt) & 0x0f; }

// AF_UNSPEC has no addresses: its TLVs, if any, follow at once.
size_t AddressBytes(uint8_t family) {
  switch (family) {
    case kInet:
      return 2 * sizeof(in_addr) + 2 * sizeof(in_port_t);
    case kInet6:
      return 2 * sizeof(in6_addr) + 2 * sizeof(in_port_t);
    case kUnix:
      return 2 * kUnixPathBytes;
    default:
      return 0;
  }
}

SocketAddress InetAddress(absl::string_view host, absl::string_view port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  memcpy(&address.sin_addr, host.data(), sizeof(address.sin_addr));
  memcpy(&address.sin_port, port.data(), sizeof(address.sin_port));
  return SocketAddress::From(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

SocketAddress Inet6Address(absl::string_view host, absl::string_view port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  memcpy(&address.sin6_addr, host.data(), sizeof(address.sin6_addr));
  memcpy(&address.sin6_port, port.data(), sizeof(address.sin6_port));
  return SocketAddress::From(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

// A path ends at its NUL. What begins with NUL is an abstract name, whose trailing NULs cannot be
// told from padding; with nothing else in it, it is the address of an unnamed socket (unix(7)).
SocketAddress UnixAddress(absl::string_view path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  static_assert(sizeof(address.sun_path) == kUnixPathBytes);
  size_t length = path.find('\0');
  if (length == 0) {
    const size_t last = path.find_last_not_of('\0');
    length = last == absl::string_view::npos ? 0 : last + 1;
  } else {
    length = std::min(length, path.size());
  }
  memcpy(address.sun_path, path.data(), length);
  if (path[0] != '\0' && length < path.size()) ++length;  // with its NUL, as the kernel counts it
  return SocketAddress::From(reinterpret_cast<const sockaddr*>(&address),
                             static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
}

// `block` is AddressBytes(family) long.
void DecodeAddresses(uint8_t family, absl::string_view block, Header* header) {
  if (family == kInet) {
    header->source = InetAddress(block.substr(0, 4), block.substr(8, 2));
    header->destination = InetAddress(block.substr(4, 4), block.substr(10, 2));
  } else if (family == kInet6) {
    header->source = Inet6Address(block.substr(0, 16), block.substr(32, 2));
    header->destination = Inet6Address(block.substr(16, 16), block.substr(34, 2));
  } else if (family == kUnix) {
    header->source = UnixAddress(block.substr(0, kUnixPathBytes));
    header->destination = UnixAddress(block.substr(kUnixPathBytes));
  }
}

// The TLVs of `bytes`, one after the other. At its end, cut() says whether they added up.
class TlvReader {
 public:
  explicit TlvReader(absl::string_view bytes) : rest_(bytes) {}

  bool Next(uint8_t* type, absl::string_view* value) {
    if (rest_.size() < kTlvStartBytes) return false;
    const size_t length = BigEndian(rest_.substr(1, 2));
    if (rest_.size() - kTlvStartBytes < length) return false;
    *type = Byte(rest_, 0);
    *value = rest_.substr(kTlvStartBytes, length);
    rest_.remove_prefix(kTlvStartBytes + length);
    return true;
  }

  bool cut() const { return !rest_.empty(); }

 private:
  absl::string_view rest_;
};

void Assign(absl::string_view value, std::string* to) { to->assign(value.data(), value.size()); }

Malformed DecodeSsl(absl::string_view value, SslInfo* ssl) {
  if (value.size() < kSslFixedBytes) return Malformed::kSslCut;
  ssl->client = Byte(value, 0);
  ssl->verify = BigEndian(value.substr(1, 4));
  TlvReader reader(value.substr(kSslFixedBytes));
  std::bitset<256> seen;
  uint8_t type;
  absl::string_view part;
  while (reader.Next(&type, &part)) {
    std::string* to = nullptr;
    switch (type) {
      case kSslVersion:
        to = &ssl->version;
        break;
      case kSslCommonName:
        to = &ssl->common_name;
        break;
      case kSslCipher:
        to = &ssl->cipher;
        break;
      case kSslSignatureAlgorithm:
        to = &ssl->signature_algorithm;
        break;
      case kSslKeyAlgorithm:
        to = &ssl->key_algorithm;
        break;
      default:  // newer than this program
        continue;
    }
    if (seen[type]) return Malformed::kTlvTwice;
    seen.set(type);
    Assign(part, to);
  }
  return reader.cut() ? Malformed::kSslCut : Malformed::kNone;
}

// Section 2.2.3: over the whole header, with zeros where the checksum is.
bool ChecksumHolds(absl::string_view header, absl::string_view checksum) {
  std::string zeroed(header);
  zeroed.replace(static_cast<size_t>(checksum.data() - header.data()), checksum.size(),
                 checksum.size(), '\0');
  return Crc32c(zeroed) == BigEndian(checksum);
}

Malformed DecodeTlv(uint8_t type, absl::string_view value, absl::string_view bytes,
                    Header* header) {
  switch (type) {
    case kAlpn:
      Assign(value, &header->alpn);
      return Malformed::kNone;
    case kAuthority:
      Assign(value, &header->authority);
      return Malformed::kNone;
    case kCrc32c:
      if (value.size() != kChecksumBytes) return Malformed::kTlvLength;
      return ChecksumHolds(bytes, value) ? Malformed::kNone : Malformed::kChecksum;
    case kUniqueId:
      if (value.size() > kMaxUniqueIdBytes) return Malformed::kUniqueIdTooLong;
      Assign(value, &header->unique_id);
      return Malformed::kNone;
    case kSsl:
      return DecodeSsl(value, &header->ssl.emplace());
    case kNoop:
      return Malformed::kNone;
    default:
      header->others.push_back({type, std::string(value)});
      return Malformed::kNone;
  }
}

// Two of these would contradict each other, and receivers would not agree on which of them holds.
bool SaysOneThing(uint8_t type) {
  return type == kAlpn || type == kAuthority || type == kCrc32c || type == kUniqueId ||
         type == kSsl;
}

Malformed CheckFamily(uint8_t family, uint8_t transport) {
  if (family > kUnix) return Malformed::kFamily;
  return transport > kByteStream ? Malformed::kTransport : Malformed::kNone;
}

}  // namespace

Malformed CheckStart(absl::string_view held) {
  const size_t compared = std::min(held.size(), kSignature.size());
  if (held.substr(0, compared) != kSignature.substr(0, compared)) return Malformed::kNoSignature;
  if (held.size() <= kCommandAt) return Malformed::kNone;
  if ((Byte(held, kCommandAt) & 0xf0) != kVersion) return Malformed::kVersion;
  if ((Byte(held, kCommandAt) & 0x0f) > kProxyCommand) return Malformed::kCommand;
  if (held.size() <= kFamilyAt) return Malformed::kNone;
  if (!IsLocal(held)) {
    const Malformed reason = CheckFamily(FamilyOf(held), TransportOf(held));
    if (reason != Malformed::kNone) return reason;
  }
  if (held.size() < kFixedBytes) return Malformed::kNone;
  if (HeaderBytes(held) > kMaxHeaderBytes) return Malformed::kHeaderTooLong;
  if (!IsLocal(held) && HeaderBytes(held) < kFixedBytes + AddressBytes(FamilyOf(held))) {
    return Malformed::kAddressesCut;
  }
  return Malformed::kNone;
}

size_t HeaderBytes(absl::string_view held) {
  return kFixedBytes + BigEndian(held.substr(kLengthAt, 2));
}

Malformed DecodeBinary(absl::string_view bytes, Header* header) {
  Header parsed;
  if (IsLocal(bytes)) {  // section 2.2: the block is discarded, its family and all
    parsed.local = true;
    *header = std::move(parsed);
    return Malformed::kNone;
  }
  const uint8_t family = FamilyOf(bytes);
  const size_t address_bytes = AddressBytes(family);
  // Section 2.2: with either of them unspecified the addresses are ignored.
  if (TransportOf(bytes) == kByteStream) {
    DecodeAddresses(family, bytes.substr(kFixedBytes, address_bytes), &parsed);
  }
  TlvReader reader(bytes.substr(kFixedBytes + address_bytes));
  std::bitset<256> seen;
  uint8_t type;
  absl::string_view value;
  while (reader.Next(&type, &value)) {
    if (SaysOneThing(type) && seen[type]) return Malformed::kTlvTwice;
    seen.set(type);
    const Malformed reason = DecodeTlv(type, value, bytes, &parsed);
    if (reason != Malformed::kNone) return reason;
  }
  if (reader.cut()) return Malformed::kTlvCut;
  *header = std::move(parsed);
  return Malformed::kNone;
}

}  // namespace tlsbridge::proxy_protocol
