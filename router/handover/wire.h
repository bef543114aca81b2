// Numbers and texts as the messages of a hand-over have them: the most significant byte first, a
// text behind its length of two bytes.
//
// Thread: any; values. Owner: the caller; a Reader's bytes outlive it. Failure: see Reader.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "router/handover/secret_bytes.h"

namespace tlsbridge::wire {

inline void Put(SecretBytes* out, uint64_t value, size_t bytes) {
  uint8_t* const at = out->Append(bytes);
  for (size_t i = 0; i < bytes; ++i) at[i] = static_cast<uint8_t>(value >> 8 * (bytes - 1 - i));
}

inline void PutText(SecretBytes* out, absl::string_view text) {
  Put(out, text.size(), 2);
  out->Append({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

// Once something is missing, all that is read behind it is zero, and ok() false.
class Reader {
 public:
  explicit Reader(absl::Span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return bytes_.empty(); }
  void Fail() { ok_ = false; }

  absl::Span<const uint8_t> Take(size_t size) {
    if (!ok_ || size > bytes_.size()) {
      ok_ = false;
      return {};
    }
    const absl::Span<const uint8_t> taken = bytes_.first(size);
    bytes_.remove_prefix(size);
    return taken;
  }
  uint64_t Number(size_t bytes) {
    uint64_t value = 0;
    for (const uint8_t byte : Take(bytes)) value = value << 8 | byte;
    return value;
  }
  bool Flag() {
    const uint64_t value = Number(1);
    if (value > 1) ok_ = false;
    return value == 1;
  }
  int64_t NotNegative() {
    const auto value = static_cast<int64_t>(Number(8));
    if (value < 0) ok_ = false;
    return value;
  }
  std::string Text() {
    const absl::Span<const uint8_t> taken = Take(Number(2));
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  // Each of them has `least` bytes at least: no number makes us reserve more than came.
  size_t Count(size_t least) {
    const uint64_t count = Number(4);
    if (count > bytes_.size() / least) ok_ = false;
    return ok_ ? count : 0;
  }

 private:
  absl::Span<const uint8_t> bytes_;
  bool ok_ = true;
};

}  // namespace tlsbridge::wire
