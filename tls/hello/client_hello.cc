#include "tls/hello/client_hello.h"

#include <openssl/bytestring.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "absl/strings/ascii.h"

namespace tlsbridge::tls {
namespace {

constexpr size_t kMessageHeaderBytes = SSL3_HM_HEADER_LENGTH;
constexpr size_t kRecordHeaderBytes = SSL3_RT_HEADER_LENGTH;

CBS ToCbs(absl::Span<const uint8_t> bytes) {
  CBS cbs;
  CBS_init(&cbs, bytes.data(), bytes.size());
  return cbs;
}

// 0x0a0a, 0x1a1a, ..., 0xfafa (RFC 8701 section 2).
bool IsGrease(uint16_t value) { return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff); }

// A list that must have members, to its end.
bool TakeNumbers(CBS list, std::vector<uint16_t>* numbers) {
  if (CBS_len(&list) == 0 || CBS_len(&list) % 2 != 0) return false;
  uint16_t number;
  while (CBS_get_u16(&list, &number)) {
    if (!IsGrease(number)) numbers->push_back(number);
  }
  return true;
}

// RFC 6066 section 3. One name, as BoringSSL has it, because only one type was ever defined.
bool TakeServerName(CBS extension, std::string* server_name) {
  CBS list;
  CBS name;
  uint8_t type;
  if (!CBS_get_u16_length_prefixed(&extension, &list) || CBS_len(&extension) != 0 ||
      !CBS_get_u8(&list, &type) || type != TLSEXT_NAMETYPE_host_name ||
      !CBS_get_u16_length_prefixed(&list, &name) || CBS_len(&list) != 0 || CBS_len(&name) == 0 ||
      CBS_len(&name) > TLSEXT_MAXLEN_host_name || CBS_contains_zero_byte(&name)) {
    return false;
  }
  server_name->assign(reinterpret_cast<const char*>(CBS_data(&name)), CBS_len(&name));
  absl::AsciiStrToLower(server_name);
  if (server_name->back() == '.') server_name->pop_back();
  return true;
}

// RFC 7301 section 3.1.
bool TakeAlpn(CBS extension, std::vector<std::string>* alpn) {
  CBS list;
  if (!CBS_get_u16_length_prefixed(&extension, &list) || CBS_len(&extension) != 0 ||
      CBS_len(&list) == 0) {
    return false;
  }
  while (CBS_len(&list) > 0) {
    CBS name;
    if (!CBS_get_u8_length_prefixed(&list, &name) || CBS_len(&name) == 0) return false;
    alpn->emplace_back(reinterpret_cast<const char*>(CBS_data(&name)), CBS_len(&name));
  }
  return true;
}

bool TakeU16List(CBS extension, std::vector<uint16_t>* numbers) {
  CBS list;
  return CBS_get_u16_length_prefixed(&extension, &list) && CBS_len(&extension) == 0 &&
         TakeNumbers(list, numbers);
}

bool TakeVersions(CBS extension, std::vector<uint16_t>* versions) {
  CBS list;
  return CBS_get_u8_length_prefixed(&extension, &list) && CBS_len(&extension) == 0 &&
         TakeNumbers(list, versions);
}

bool TakeExtension(uint16_t type, CBS extension, ClientHello* hello) {
  switch (type) {
    case TLSEXT_TYPE_server_name:
      return TakeServerName(extension, &hello->server_name);
    case TLSEXT_TYPE_application_layer_protocol_negotiation:
      return TakeAlpn(extension, &hello->alpn);
    case TLSEXT_TYPE_supported_versions:
      return TakeVersions(extension, &hello->versions);
    case TLSEXT_TYPE_signature_algorithms:
      return TakeU16List(extension, &hello->signature_algorithms);
    case TLSEXT_TYPE_status_request: {
      uint8_t status_type;
      if (!CBS_get_u8(&extension, &status_type)) return false;
      hello->ocsp_wanted = status_type == TLSEXT_STATUSTYPE_ocsp;
      return true;
    }
    case TLSEXT_TYPE_supported_groups:
      return TakeU16List(extension, &hello->groups);
    default:
      return true;
  }
}

bool TakeExtensions(CBS extensions, ClientHello* hello, bool* has_versions) {
  std::vector<uint16_t> types;
  while (CBS_len(&extensions) > 0) {
    uint16_t type;
    CBS extension;
    if (!CBS_get_u16(&extensions, &type) || !CBS_get_u16_length_prefixed(&extensions, &extension) ||
        !TakeExtension(type, extension, hello)) {
      return false;
    }
    types.push_back(type);
  }
  std::sort(types.begin(), types.end());
  *has_versions = std::binary_search(types.begin(), types.end(), TLSEXT_TYPE_supported_versions);
  // None may come twice (RFC 8446 section 4.2).
  return std::adjacent_find(types.begin(), types.end()) == types.end();
}

// A client without supported_versions takes any up to its legacy_version, of which TLS 1.2 is the
// last (RFC 8446 section 4.2.1); SSL 3 is none (RFC 7568), unless that is all that it says.
std::vector<uint16_t> VersionsUpTo(uint16_t legacy_version) {
  std::vector<uint16_t> versions;
  for (uint16_t version = std::min<uint16_t>(legacy_version, TLS1_2_VERSION);
       version >= std::min<uint16_t>(legacy_version, TLS1_VERSION) && version >= SSL3_VERSION;
       --version) {
    versions.push_back(version);
  }
  return versions;
}

}  // namespace

std::optional<ClientHello> ParseClientHello(absl::Span<const uint8_t> body) {
  CBS cbs = ToCbs(body);
  ClientHello hello;
  uint16_t legacy_version;
  CBS session_id;
  CBS ciphers;
  CBS compression;
  if (!CBS_get_u16(&cbs, &legacy_version) || !CBS_skip(&cbs, SSL3_RANDOM_SIZE) ||
      !CBS_get_u8_length_prefixed(&cbs, &session_id) ||
      CBS_len(&session_id) > SSL_MAX_SSL_SESSION_ID_LENGTH ||
      !CBS_get_u16_length_prefixed(&cbs, &ciphers) || !TakeNumbers(ciphers, &hello.cipher_suites) ||
      !CBS_get_u8_length_prefixed(&cbs, &compression) || CBS_len(&compression) == 0) {
    return std::nullopt;
  }
  bool has_versions = false;
  if (CBS_len(&cbs) > 0) {  // TLS 1.2 lets a hello end before its extensions
    CBS extensions;
    if (!CBS_get_u16_length_prefixed(&cbs, &extensions) || CBS_len(&cbs) != 0 ||
        !TakeExtensions(extensions, &hello, &has_versions)) {
      return std::nullopt;
    }
  }
  if (!has_versions) hello.versions = VersionsUpTo(legacy_version);
  return hello;
}

ClientHelloReader::Result ClientHelloReader::Feed(absl::Span<const uint8_t> bytes) {
  if (buffer_.empty()) {
    raw_ = bytes;
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    raw_ = buffer_;
  }
  const Result result = Scan();
  if (result != Result::kNeedMore) return result;
  if (raw_.size() > kMaxRawBytes) return Result::kNotHello;
  if (buffer_.empty()) {
    buffer_.assign(bytes.begin(), bytes.end());
    raw_ = buffer_;
  }
  return result;
}

// Whole records only, since BoringSSL too takes up a record when it is whole; but what can be seen
// of the next one is checked at once.
ClientHelloReader::Result ClientHelloReader::Scan() {
  while (true) {
    absl::Span<const uint8_t> rest = raw_.subspan(record_at_);
    if (!rest.empty() && rest[0] != SSL3_RT_HANDSHAKE) return Result::kNotHello;
    if (rest.size() > 1 && rest[1] != SSL3_VERSION_MAJOR) return Result::kNotHello;
    if (rest.size() < kRecordHeaderBytes) return Result::kNeedMore;
    const size_t length = size_t{rest[3]} << 8 | rest[4];
    if (length > SSL3_RT_MAX_PLAIN_LENGTH) return Result::kNotHello;
    const bool record_whole = rest.size() >= kRecordHeaderBytes + length;
    absl::Span<const uint8_t> message = rest.subspan(kRecordHeaderBytes, length);
    if (!message_.empty() && record_whole) {
      message_.insert(message_.end(), message.begin(), message.end());
    }
    if (!message_.empty()) message = message_;

    if (!message.empty() && message[0] != SSL3_MT_CLIENT_HELLO) return Result::kNotHello;
    size_t message_bytes = kMaxMessageBytes;
    if (message.size() >= kMessageHeaderBytes) {
      message_bytes = kMessageHeaderBytes +
                      (size_t{message[1]} << 16 | size_t{message[2]} << 8 | size_t{message[3]});
      if (message_bytes > kMaxMessageBytes) return Result::kNotHello;
    }
    if (!record_whole) return Result::kNeedMore;
    if (message.size() >= message_bytes) {
      hello_ = ParseClientHello(
          message.subspan(kMessageHeaderBytes, message_bytes - kMessageHeaderBytes));
      return hello_ ? Result::kWhole : Result::kNotHello;
    }
    if (message_.empty()) message_.assign(message.begin(), message.end());
    record_at_ += kRecordHeaderBytes + length;
  }
}

}  // namespace tlsbridge::tls
