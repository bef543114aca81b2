#include "tools/bench/net/pattern.h"

#include <algorithm>
#include <string>

namespace tlsbridge::bench {
namespace {

const std::string& Stream() {
  static const std::string* const stream = [] {
    auto* bytes = new std::string(kPatternPeriod, '\0');
    uint32_t state =
        2463534242;  // xorshift32: any sequence will do that does not repeat within a period.
    for (char& byte : *bytes) {
      state ^= state << 13;
      state ^= state >> 17;
      state ^= state << 5;
      byte = static_cast<char>(state >> 24);
    }
    const std::string period = *bytes;
    for (int i = 0; i < 2; ++i) bytes->append(period);
    return bytes;
  }();
  return *stream;
}

}  // namespace

absl::string_view PatternAt(uint64_t offset, size_t limit) {
  return absl::string_view(Stream()).substr(offset % kPatternPeriod,
                                            std::min(limit, kPatternLongestSlice));
}

size_t MatchingBytes(uint64_t offset, absl::string_view bytes) {
  size_t matched = 0;
  while (matched < bytes.size()) {
    const absl::string_view expected = PatternAt(offset + matched, bytes.size() - matched);
    const absl::string_view found = bytes.substr(matched, expected.size());
    if (found == expected) {
      matched += expected.size();
      continue;
    }
    return matched +
           static_cast<size_t>(std::mismatch(found.begin(), found.end(), expected.begin()).first -
                               found.begin());
  }
  return matched;
}

}  // namespace tlsbridge::bench
