#include "tls/hello/client_hello.h"

#include <openssl/bytestring.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"

namespace tlsbridge::tls {
namespace {

// The alert that answers what was parsed; kFine for none. Syntax that is broken is a decode_error,
// what conforms to it and still may not be is an illegal_parameter (RFC 8446 section 6.2).
constexpr uint8_t kFine = 0;
constexpr uint8_t kBroken = SSL_AD_DECODE_ERROR;
constexpr uint8_t kIllegal = SSL_AD_ILLEGAL_PARAMETER;

// 0x0a0a, 0x1a1a, ..., 0xfafa (RFC 8701 section 2).
bool IsGrease(uint16_t value) { return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff); }

// A list that must have members, to its end.
bool TakeNumbers(CBS list, std::vector<uint16_t>* numbers) {
  if (CBS_len(&list) == 0 || CBS_len(&list) % 2 != 0) return false;
  numbers->reserve(CBS_len(&list) / 2);
  uint16_t number;
  while (CBS_get_u16(&list, &number)) {
    if (!IsGrease(number)) numbers->push_back(number);
  }
  return true;
}

// RFC 6066 section 3. One name, as BoringSSL has it, because only one type was ever defined, of
// which there may be one.
uint8_t TakeServerName(CBS extension, std::string* server_name) {
  CBS list;
  CBS name;
  uint8_t type;
  if (!CBS_get_u16_length_prefixed(&extension, &list) || CBS_len(&extension) != 0 ||
      !CBS_get_u8(&list, &type) || type != TLSEXT_NAMETYPE_host_name ||
      !CBS_get_u16_length_prefixed(&list, &name) || CBS_len(&name) == 0) {
    return kBroken;
  }
  if (CBS_len(&list) != 0 || CBS_len(&name) > TLSEXT_MAXLEN_host_name ||
      CBS_contains_zero_byte(&name)) {
    return kIllegal;
  }
  server_name->assign(reinterpret_cast<const char*>(CBS_data(&name)), CBS_len(&name));
  absl::AsciiStrToLower(server_name);
  if (server_name->back() == '.') server_name->pop_back();
  return kFine;
}

// RFC 7301 section 3.1.
uint8_t TakeAlpn(CBS extension, AlpnNames* alpn) {
  CBS list;
  if (!CBS_get_u16_length_prefixed(&extension, &list) || CBS_len(&extension) != 0 ||
      CBS_len(&list) == 0) {
    return kBroken;
  }
  const AlpnNames names({reinterpret_cast<const char*>(CBS_data(&list)), CBS_len(&list)});
  if (!names.IsWellFormed()) return kBroken;
  *alpn = names;
  return kFine;
}

uint8_t TakeU16List(CBS extension, std::vector<uint16_t>* numbers) {
  CBS list;
  const bool whole = CBS_get_u16_length_prefixed(&extension, &list) && CBS_len(&extension) == 0;
  return whole && TakeNumbers(list, numbers) ? kFine : kBroken;
}

uint8_t TakeVersions(CBS extension, std::vector<uint16_t>* versions) {
  CBS list;
  const bool whole = CBS_get_u8_length_prefixed(&extension, &list) && CBS_len(&extension) == 0;
  return whole && TakeNumbers(list, versions) ? kFine : kBroken;
}

// RFC 6066 section 8.
uint8_t TakeStatusRequest(CBS extension, bool* ocsp_wanted) {
  uint8_t type;
  if (!CBS_get_u8(&extension, &type)) return kBroken;
  if (type != TLSEXT_STATUSTYPE_ocsp) return kFine;  // what follows is unknown
  CBS responders;
  CBS extensions;
  if (!CBS_get_u16_length_prefixed(&extension, &responders) ||
      !CBS_get_u16_length_prefixed(&extension, &extensions) || CBS_len(&extension) != 0) {
    return kBroken;
  }
  while (CBS_len(&responders) > 0) {
    CBS responder;
    if (!CBS_get_u16_length_prefixed(&responders, &responder) || CBS_len(&responder) == 0) {
      return kBroken;
    }
  }
  *ocsp_wanted = true;
  return kFine;
}

uint8_t TakeExtension(uint16_t type, CBS extension, ClientHello* hello, const char** malformed) {
  switch (type) {
    case TLSEXT_TYPE_server_name:
      *malformed = "malformed server_name";
      return TakeServerName(extension, &hello->server_name);
    case TLSEXT_TYPE_application_layer_protocol_negotiation:
      *malformed = "malformed application_layer_protocol_negotiation";
      return TakeAlpn(extension, &hello->alpn);
    case TLSEXT_TYPE_supported_versions:
      *malformed = "malformed supported_versions";
      return TakeVersions(extension, &hello->versions);
    case TLSEXT_TYPE_signature_algorithms:
      *malformed = "malformed signature_algorithms";
      return TakeU16List(extension, &hello->signature_algorithms);
    case TLSEXT_TYPE_status_request:
      *malformed = "malformed status_request";
      return TakeStatusRequest(extension, &hello->ocsp_wanted);
    case TLSEXT_TYPE_supported_groups:
      *malformed = "malformed supported_groups";
      return TakeU16List(extension, &hello->groups);
    case TLSEXT_TYPE_session_ticket:  // empty, it only asks for one
    case TLSEXT_TYPE_pre_shared_key:
      hello->resumption_offered = hello->resumption_offered || CBS_len(&extension) > 0;
      return kFine;
    default:
      return kFine;
  }
}

uint8_t TakeExtensions(CBS extensions, ClientHello* hello, bool* has_versions,
                       const char** malformed) {
  absl::InlinedVector<uint16_t, 32> types;
  while (CBS_len(&extensions) > 0) {
    uint16_t type;
    CBS extension;
    if (!CBS_get_u16(&extensions, &type) || !CBS_get_u16_length_prefixed(&extensions, &extension)) {
      *malformed = "an extension past the end of the hello";
      return kBroken;
    }
    const uint8_t alert = TakeExtension(type, extension, hello, malformed);
    if (alert != kFine) return alert;
    types.push_back(type);
  }
  std::sort(types.begin(), types.end());
  *has_versions = std::binary_search(types.begin(), types.end(), TLSEXT_TYPE_supported_versions);
  *malformed = "an extension that comes twice";  // RFC 8446 section 4.2
  return std::adjacent_find(types.begin(), types.end()) == types.end() ? kFine : kIllegal;
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

uint8_t TakeBody(CBS cbs, ClientHello* hello, const char** malformed) {
  uint16_t legacy_version;
  CBS session_id;
  CBS ciphers;
  CBS compression;
  *malformed = "a ClientHello that is cut short";
  if (!CBS_get_u16(&cbs, &legacy_version) || !CBS_skip(&cbs, SSL3_RANDOM_SIZE) ||
      !CBS_get_u8_length_prefixed(&cbs, &session_id)) {
    return kBroken;
  }
  *malformed = "malformed legacy_session_id";
  if (CBS_len(&session_id) > SSL_MAX_SSL_SESSION_ID_LENGTH) return kBroken;
  *malformed = "malformed cipher_suites";
  if (!CBS_get_u16_length_prefixed(&cbs, &ciphers) ||
      !TakeNumbers(ciphers, &hello->cipher_suites)) {
    return kBroken;
  }
  *malformed = "malformed legacy_compression_methods";
  if (!CBS_get_u8_length_prefixed(&cbs, &compression) || CBS_len(&compression) == 0) return kBroken;
  bool has_versions = false;
  if (CBS_len(&cbs) > 0) {  // TLS 1.2 lets a hello end before its extensions
    CBS extensions;
    *malformed = "extensions that do not fill the hello";
    if (!CBS_get_u16_length_prefixed(&cbs, &extensions) || CBS_len(&cbs) != 0) return kBroken;
    const uint8_t alert = TakeExtensions(extensions, hello, &has_versions, malformed);
    if (alert != kFine) return alert;
  }
  if (!has_versions) hello->versions = VersionsUpTo(legacy_version);
  return kFine;
}

}  // namespace

std::optional<ClientHello> ParseClientHello(absl::Span<const uint8_t> body, Refusal* refusal) {
  CBS cbs;
  CBS_init(&cbs, body.data(), body.size());
  ClientHello hello;
  const char* malformed = "";
  const uint8_t alert = TakeBody(cbs, &hello, &malformed);
  if (alert == kFine) return hello;
  if (refusal != nullptr) {
    refusal->failure = {.detail = FailureDetail::kProtocol, .reason = malformed};
    refusal->alert = alert;
  }
  return std::nullopt;
}

}  // namespace tlsbridge::tls
