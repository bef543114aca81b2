// Bytes that tell where they belong, and a checksum: for tests that no byte is lost, doubled or
// moved on the way. Any thread; pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge::e2e {

// Looks random, and is the same for the same seed; a shorter one is the start of a longer one.
std::string Payload(size_t bytes, uint64_t seed = 0);

// FNV-1a in 64 bits, as 16 hexadecimal digits. Depends on the order.
std::string Checksum(absl::string_view bytes);

}  // namespace tlsbridge::e2e
