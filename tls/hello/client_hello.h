// What a client asks for, read from its first bytes before any route or certificate is chosen.
//
// Thread: any, one at a time. Owner: whoever reads the socket; nothing here refers to a session.
// Failure: a result, never Status: what a peer sends is no error of ours. Memory and work are
// bounded by kMaxRawBytes, however a client splits its bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace tlsbridge::tls {

// In the client's order of preference. Values that clients make up to keep servers tolerant
// (GREASE, RFC 8701) are left out, but for those in `alpn`.
struct ClientHello {
  std::string server_name;         // lower case, no trailing dot; empty if absent
  std::vector<std::string> alpn;   // empty if absent
  std::vector<uint16_t> versions;  // of supported_versions; else legacy_version and those below it
  std::vector<uint16_t> cipher_suites;
  std::vector<uint16_t> signature_algorithms;
  std::vector<uint16_t> groups;
  bool ocsp_wanted = false;  // in the handshake, stapled (RFC 6066 section 8)
};

// Parses the body of a ClientHello message (RFC 8446 section 4.1.2), without the message's header.
// Nothing for what BoringSSL would refuse as malformed too.
std::optional<ClientHello> ParseClientHello(absl::Span<const uint8_t> body);

// Finds the ClientHello at the start of a connection.
class ClientHelloReader {
 public:
  enum class Result {
    kNeedMore,
    kWhole,     // hello() is there; raw() may go on past it
    kNotHello,  // no bytes to come can make it one; let BoringSSL say why
  };

  // The longest message that BoringSSL reads from a client that has yet to be asked for a
  // certificate (ssl_max_handshake_message_len), and its header.
  static constexpr size_t kMaxMessageBytes = 4 + 16384;
  // The same with the headers of its records. Enough for a hello of 5 KiB in records of one byte.
  static constexpr size_t kMaxRawBytes = 2 * kMaxMessageBytes;

  ClientHelloReader() = default;
  ClientHelloReader(const ClientHelloReader&) = delete;
  ClientHelloReader& operator=(const ClientHelloReader&) = delete;

  // Takes what came next from the client. Nothing is copied when the first bytes decide.
  // REQUIRES: every call before returned kNeedMore.
  Result Feed(absl::Span<const uint8_t> bytes);

  // REQUIRES: kWhole.
  const ClientHello& hello() const { return *hello_; }

  // All that was fed, untouched, for a Session or a backend to read. Valid until the next Feed(),
  // and no longer than the bytes last fed.
  absl::Span<const uint8_t> raw() const { return raw_; }

 private:
  Result Scan();

  std::vector<uint8_t> buffer_;  // what raw_ refers to after the first Feed()
  absl::Span<const uint8_t> raw_;
  size_t record_at_ = 0;          // in raw_, of the first record that is not whole
  std::vector<uint8_t> message_;  // its fragments in the records before, if it has several
  std::optional<ClientHello> hello_;
};

}  // namespace tlsbridge::tls
