#include "tests/e2e/harness/payload.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tlsbridge::e2e {
namespace {

// SplitMix64: the n-th number of a sequence without needing those before.
uint64_t NumberAt(uint64_t n) {
  uint64_t z = (n + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

std::string Payload(size_t bytes, uint64_t seed) {
  std::string result;
  result.reserve(bytes + sizeof(uint64_t));
  for (uint64_t n = seed << 32; result.size() < bytes; ++n) {
    const uint64_t number = NumberAt(n);
    result.append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
  result.resize(bytes);
  return result;
}

std::string Checksum(absl::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return absl::StrCat(absl::Hex(hash, absl::kZeroPad16));
}

}  // namespace tlsbridge::e2e
