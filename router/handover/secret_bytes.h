// Bytes among which there may be keys: nothing of them stays in memory, wherever they grow or end.
//
// Thread: any; a value. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/types/span.h"

namespace tlsbridge {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size) { Append(size); }
  SecretBytes(SecretBytes&& other) noexcept { swap(other); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    swap(other);
    return *this;
  }
  ~SecretBytes() {
    if (bytes_ != nullptr) explicit_bzero(bytes_.get(), capacity_);
  }
  void swap(SecretBytes& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  // Room for so many more, which are zero; where they begin.
  uint8_t* Append(size_t more) {
    if (size_ + more > capacity_) Grow(size_ + more);
    size_ += more;
    return bytes_.get() + size_ - more;
  }
  void Append(absl::Span<const uint8_t> more) {
    if (!more.empty()) memcpy(Append(more.size()), more.data(), more.size());
  }

  uint8_t* data() { return bytes_.get(); }
  size_t size() const { return size_; }
  absl::Span<const uint8_t> span() const { return {bytes_.get(), size_}; }

 private:
  void Grow(size_t least) {
    SecretBytes larger;
    larger.capacity_ = std::max(least, 2 * capacity_);
    larger.bytes_ = std::make_unique<uint8_t[]>(larger.capacity_);
    larger.size_ = size_;
    if (size_ > 0) memcpy(larger.bytes_.get(), bytes_.get(), size_);
    swap(larger);
  }

  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace tlsbridge
