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
