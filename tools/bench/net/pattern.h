// The bytes that every transfer carries, so that the far end can tell lost, doubled or swapped
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace tlsbridge::bench {

// A prime, so that no record or buffer size divides it: a block that is missing shifts all that
// follows.
inline constexpr size_t kPatternPeriod = 65521;
inline constexpr size_t kPatternLongestSlice = 2 * kPatternPeriod;

// The stream's bytes from `offset`: exactly min(limit, kPatternLongestSlice) of them. Valid for
// ever.
absl::string_view PatternAt(uint64_t offset, size_t limit);

// How many of `bytes`, from the first, are what the stream carries at `offset`: all of them or the
// place of the damage.
size_t MatchingBytes(uint64_t offset, absl::string_view bytes);

}  // namespace tlsbridge::bench
