// A plain value that one thread at a time replaces and any number read without a lock, so that it
// can hold secrets that must be gone as soon as they are replaced (a sequence lock).
//
// Thread: TryRead() any; Write() one at a time. Owner: the caller. Failure: TryRead() says so while
// a Write() is going on; the caller then waits for the writer by the lock that writers take.
#pragma once

#include <openssl/mem.h>
#include <stdint.h>
#include <string.h>

#include <array>
#include <atomic>
#include <type_traits>

namespace tlsbridge::tls {

template <typename T>
class Published {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(uint64_t) == 0);

 public:
  Published() = default;
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;
  ~Published() { OPENSSL_cleanse(words_.data(), sizeof(words_)); }

  [[nodiscard]] bool TryRead(T* value) const {
    const uint64_t before = sequence_.load(std::memory_order_acquire);
    if (before % 2 != 0) return false;
    auto* out = reinterpret_cast<unsigned char*>(value);
    for (size_t i = 0; i < words_.size(); ++i) {
      const uint64_t word = words_[i].load(std::memory_order_acquire);
      memcpy(out + i * sizeof(word), &word, sizeof(word));
    }
    // A word of a later Write() was released after that had made the sequence odd.
    return sequence_.load(std::memory_order_relaxed) == before;
  }

  void Write(const T& value) {
    const uint64_t before = sequence_.load(std::memory_order_relaxed);
    sequence_.store(before + 1, std::memory_order_relaxed);
    const auto* in = reinterpret_cast<const unsigned char*>(&value);
    for (size_t i = 0; i < words_.size(); ++i) {
      uint64_t word;
      memcpy(&word, in + i * sizeof(word), sizeof(word));
      words_[i].store(word, std::memory_order_release);
    }
    sequence_.store(before + 2, std::memory_order_release);
  }

 private:
  std::atomic<uint64_t> sequence_ = 0;
  std::array<std::atomic<uint64_t>, sizeof(T) / sizeof(uint64_t)> words_ = {};
};

}  // namespace tlsbridge::tls
