// What the streams carry: a header that names the connection, then bytes that tell their place.
//
// Thread: any. Failure: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/bench/net/pattern.h"
#include "tools/chaos/random.h"

namespace tlsbridge::chaos {

enum class From : uint8_t { kClient, kBackend };

inline constexpr size_t kHeaderBytes = 8;

inline std::string EncodeHeader(uint64_t value) {
  std::string bytes(kHeaderBytes, '\0');
  for (size_t i = 0; i < kHeaderBytes; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

// REQUIRES: bytes.size() >= kHeaderBytes.
inline uint64_t DecodeHeader(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = kHeaderBytes; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

// One stream's bytes behind its header. Those of different streams differ.
class Content {
 public:
  Content(uint64_t number, From from)
      : base_(Mix(2 * number + static_cast<uint64_t>(from)) % bench::kPatternPeriod) {}

  // The bytes at `offset`, `limit` at most but some.
  absl::string_view At(uint64_t offset, size_t limit) const {
    return bench::PatternAt(base_ + offset, limit);
  }
  // How many of `bytes`, from the first, belong at `offset`.
  size_t Matching(uint64_t offset, absl::string_view bytes) const {
    return bench::MatchingBytes(base_ + offset, bytes);
  }

 private:
  uint64_t base_;
};

// Checks a stream as it arrives.
class Verifier {
 public:
  // Sets apart the first `header_bytes`.
  void Begin(size_t header_bytes) { header_left_ = header_bytes; }

  // Before the content is known, bytes wait.
  void Receive(absl::string_view bytes) {
    received_ += bytes.size();
    const size_t of_header = std::min(header_left_, bytes.size());
    header_.append(bytes.data(), of_header);
    header_left_ -= of_header;
    bytes.remove_prefix(of_header);
    waiting_.append(bytes.data(), bytes.size());
  }
  // False at the first wrong byte.
  bool Check(const Content& content) {
    const size_t matching = content.Matching(checked_, waiting_);
    checked_ += matching;
    const bool good = matching == waiting_.size();
    waiting_.clear();
    return good;
  }

  bool header_complete() const { return header_left_ == 0; }
  const std::string& header() const { return header_; }
  uint64_t received() const { return received_; }  // with the header
  uint64_t checked() const { return checked_; }    // without it
  size_t waiting() const { return waiting_.size(); }

 private:
  size_t header_left_ = 0;
  std::string header_;
  std::string waiting_;
  uint64_t received_ = 0;
  uint64_t checked_ = 0;
};

}  // namespace tlsbridge::chaos
