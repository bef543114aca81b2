#include "bridge/proxy_protocol/encoder.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bridge/proxy_protocol/crc32c.h"
#include "bridge/proxy_protocol/version1.h"
#include "bridge/proxy_protocol/version2.h"

namespace tlsbridge::proxy_protocol {
namespace {

constexpr size_t kLengthAt = 14;

std::string Host(const SocketAddress& address) {
  std::string text = address.ToString();
  text.resize(text.rfind(':'));
  if (text[0] == '[') text = text.substr(1, text.size() - 2);
  return text;
}

void AppendBigEndian(uint32_t value, size_t bytes, std::string* out) {
  while (bytes-- > 0) out->push_back(static_cast<char>(value >> (8 * bytes)));
}

template <typename T>
void AppendRaw(const T& value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Writes TLVs while they fit. A limit of kMaxHeaderBytes keeps their lengths within 16 bits, too.
class TlvWriter {
 public:
  TlvWriter(size_t limit_bytes, std::string* out) : limit_bytes_(limit_bytes), out_(out) {}

  // An empty value is none.
  void Add(uint8_t type, absl::string_view value) {
    if (!value.empty()) AddEvenIfEmpty(type, value);
  }

  void AddEvenIfEmpty(uint8_t type, absl::string_view value) {
    if (value.size() > room_bytes()) {
      LeaveOut();
      return;
    }
    out_->push_back(static_cast<char>(type));
    AppendBigEndian(static_cast<uint32_t>(value.size()), 2, out_);
    out_->append(value.data(), value.size());
  }

  // For one more value.
  size_t room_bytes() const {
    return limit_bytes_ - std::min(limit_bytes_, out_->size() + kTlvStartBytes);
  }

  void LeaveOut(size_t values = 1) { left_out_ += values; }
  size_t left_out() const { return left_out_; }

 private:
  const size_t limit_bytes_;
  std::string* const out_;  // Not owned.
  size_t left_out_ = 0;
};

uint8_t FamilyOf(const Header& header) {
  if (header.source.family() != header.destination.family()) return kUnspecified;
  switch (header.source.family()) {
    case AF_INET:
      return kInet;
    case AF_INET6:
      return kInet6;
    case AF_UNIX:
      return kUnix;
    default:
      return kUnspecified;
  }
}

void AppendUnixPath(const SocketAddress& address, std::string* out) {
  const size_t length = std::max<size_t>(address.length(), offsetof(sockaddr_un, sun_path)) -
                        offsetof(sockaddr_un, sun_path);
  out->append(reinterpret_cast<const sockaddr_un*>(address.get())->sun_path, length);
  out->append(kUnixPathBytes - length, '\0');
}

void AppendAddresses(uint8_t family, const Header& header, std::string* out) {
  if (family == kInet) {
    const auto* source = reinterpret_cast<const sockaddr_in*>(header.source.get());
    const auto* destination = reinterpret_cast<const sockaddr_in*>(header.destination.get());
    AppendRaw(source->sin_addr, out);
    AppendRaw(destination->sin_addr, out);
    AppendRaw(source->sin_port, out);
    AppendRaw(destination->sin_port, out);
  } else if (family == kInet6) {
    const auto* source = reinterpret_cast<const sockaddr_in6*>(header.source.get());
    const auto* destination = reinterpret_cast<const sockaddr_in6*>(header.destination.get());
    AppendRaw(source->sin6_addr, out);
    AppendRaw(destination->sin6_addr, out);
    AppendRaw(source->sin6_port, out);
    AppendRaw(destination->sin6_port, out);
  } else if (family == kUnix) {
    AppendUnixPath(header.source, out);
    AppendUnixPath(header.destination, out);
  }
}

// `limit_bytes` is for all of it.
std::string SslValue(const SslInfo& ssl, size_t limit_bytes, size_t* left_out) {
  std::string value(1, static_cast<char>(ssl.client));
  AppendBigEndian(ssl.verify, 4, &value);
  TlvWriter parts(limit_bytes, &value);
  parts.Add(kSslVersion, ssl.version);
  parts.Add(kSslCipher, ssl.cipher);
  parts.Add(kSslCommonName, ssl.common_name);
  parts.Add(kSslSignatureAlgorithm, ssl.signature_algorithm);
  parts.Add(kSslKeyAlgorithm, ssl.key_algorithm);
  *left_out = parts.left_out();
  return value;
}

bool HasAFieldOfItsOwn(uint8_t type) {
  return type == kAlpn || type == kAuthority || type == kCrc32c || type == kNoop ||
         type == kUniqueId || type == kSsl;
}

void AppendTlvs(const Header& header, TlvWriter* tlvs) {
  for (const Tlv& tlv : header.others) {
    if (HasAFieldOfItsOwn(tlv.type)) {
      tlvs->LeaveOut();
    } else {
      tlvs->AddEvenIfEmpty(tlv.type, tlv.value);
    }
  }
  if (header.ssl.has_value()) {
    size_t left_out;
    tlvs->Add(kSsl, SslValue(*header.ssl, tlvs->room_bytes(), &left_out));
    tlvs->LeaveOut(left_out);
  }
  tlvs->Add(kAlpn, header.alpn);
  tlvs->Add(kAuthority, header.authority);
  if (header.unique_id.size() > kMaxUniqueIdBytes) {
    tlvs->LeaveOut();
  } else {
    tlvs->Add(kUniqueId, header.unique_id);
  }
}

}  // namespace

std::string EncodeLine(const SocketAddress& source, const SocketAddress& destination) {
  const bool v4 = source.family() == AF_INET && destination.family() == AF_INET;
  const bool v6 = source.family() == AF_INET6 && destination.family() == AF_INET6;
  if (!v4 && !v6) return "PROXY UNKNOWN\r\n";
  return absl::StrCat(kLineStart, v4 ? "TCP4" : "TCP6", " ", Host(source), " ", Host(destination),
                      " ", source.port(), " ", destination.port(), "\r\n");
}

Encoded EncodeBinary(const Header& header) {
  Encoded encoded;
  std::string& out = encoded.bytes;
  out.assign(kSignature.data(), kSignature.size());
  if (header.local) {  // section 2.2: no family, no addresses, and nobody would read more
    out.push_back(static_cast<char>(kVersion | kLocalCommand));
    out.push_back(kUnspecified | kUnspecifiedTransport);
    AppendBigEndian(0, 2, &out);
    return encoded;
  }
  const uint8_t family = FamilyOf(header);
  out.push_back(static_cast<char>(kVersion | kProxyCommand));
  out.push_back(
      static_cast<char>(family | (family == kUnspecified ? kUnspecifiedTransport : kByteStream)));
  AppendBigEndian(0, 2, &out);  // the length, once it is known
  AppendAddresses(family, header, &out);

  TlvWriter tlvs(kMaxHeaderBytes, &out);
  tlvs.Add(kCrc32c, absl::string_view("\0\0\0\0", kChecksumBytes));
  const size_t checksum_at = out.size() - kChecksumBytes;
  AppendTlvs(header, &tlvs);
  encoded.values_left_out = tlvs.left_out();

  std::string number;
  AppendBigEndian(static_cast<uint32_t>(out.size() - kFixedBytes), 2, &number);
  out.replace(kLengthAt, number.size(), number);
  number.clear();
  AppendBigEndian(Crc32c(out), kChecksumBytes, &number);
  out.replace(checksum_at, number.size(), number);
  return encoded;
}

}  // namespace tlsbridge::proxy_protocol
