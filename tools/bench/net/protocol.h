// What a connection's first bytes tell the benchmark's backend to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge::bench {

enum class Command : char {
  kEcho = 'E',     // Sends everything back, this byte included, until the peer's FIN.
  kOneByte = 'B',  // Sends this byte back, then FIN: the backend is the first to close.
  kSource = 'D',   // + length: sends that many bytes of the pattern, then FIN.
  kSink = 'U',     // + length: takes that many bytes and answers with the number of them that match
                   // the pattern.
};

// In front of the command there may be a TLS record, which is thrown away: a ClientHello, for
// proxies that want to see one.
inline constexpr char kRecordOfHandshake = 0x16;
inline constexpr size_t kRecordHeaderBytes = 5;
inline size_t RecordLength(absl::string_view header) {
  return static_cast<size_t>(static_cast<uint8_t>(header[3]) << 8 |
                             static_cast<uint8_t>(header[4]));
}

// TLS 1.3, one cipher suite, SNI "localhost" (RFC 8446, section 4.1.2); its random bytes are zeros.
inline absl::string_view ClientHelloRecord() {
  static const auto* const record = [] {
    using std::string_literals::operator""s;
    const std::string extensions =
        "\x00\x00\x00\x0e\x00\x0c\x00\x00\x09localhost"s  // server_name
        "\x00\x2b\x00\x03\x02\x03\x04"s;                  // supported_versions
    const std::string body = "\x03\x03"s + std::string(32, '\0') + "\x00"s + "\x00\x02\x13\x01"s +
                             "\x01\x00"s + "\x00"s + static_cast<char>(extensions.size()) +
                             extensions;
    const std::string hello = "\x01\x00\x00"s + static_cast<char>(body.size()) + body;
    return new std::string("\x16\x03\x01\x00"s + static_cast<char>(hello.size()) + hello);
  }();
  return *record;
}

// Lengths travel as eight bytes, most significant first.
inline constexpr size_t kLengthBytes = 8;

inline std::string EncodeLength(uint64_t length) {
  std::string bytes(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) {
    bytes[i] = static_cast<char>(length >> (8 * (kLengthBytes - 1 - i)));
  }
  return bytes;
}

// REQUIRES: bytes.size() >= kLengthBytes.
inline uint64_t DecodeLength(absl::string_view bytes) {
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length = length << 8 | static_cast<uint8_t>(bytes[i]);
  return length;
}

inline std::string EncodeCommand(Command command) {
  return std::string(1, static_cast<char>(command));
}
inline std::string EncodeCommand(Command command, uint64_t length) {
  return EncodeCommand(command) + EncodeLength(length);
}

}  // namespace tlsbridge::bench
