// What a client asks for in its first message.
//
// Thread: any. Owner: whoever parses; `alpn` views the bytes that were parsed. Failure: nothing,
// and a Refusal that says why: what a peer sends is no error of ours.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tls/failure.h"
#include "tls/hello/alpn.h"

namespace tlsbridge::tls {

// In the client's order of preference. Values that clients make up to keep servers tolerant
// (GREASE, RFC 8701) are left out, but for those in `alpn`.
struct ClientHello {
  std::string server_name;         // lower case, no trailing dot; empty if absent
  AlpnNames alpn;                  // empty if absent; a view of what was parsed
  std::vector<uint16_t> versions;  // of supported_versions; else legacy_version and those below it
  std::vector<uint16_t> cipher_suites;
  std::vector<uint16_t> signature_algorithms;
  std::vector<uint16_t> groups;
  bool ocsp_wanted = false;  // in the handshake, stapled (RFC 6066 section 8)
  // A ticket of TLS 1.2 or 1.3, whatever it is worth (RFC 5077 section 3.2, RFC 8446 section
  // 4.2.11).
  bool resumption_offered = false;
};

// Parses the body of a ClientHello message (RFC 8446 section 4.1.2), without the message's header.
// Nothing for what BoringSSL would refuse as malformed too; `refusal`, if not null, then says what
// is malformed, with the alert that RFC 8446 section 6.2 has for it.
std::optional<ClientHello> ParseClientHello(absl::Span<const uint8_t> body,
                                            Refusal* refusal = nullptr);

}  // namespace tlsbridge::tls
