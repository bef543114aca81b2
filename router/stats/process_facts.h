// What the kernel says of this process (proc(5), getrusage(2)).
//
// Thread: any. Failure: none; what cannot be read is zero.
#pragma once

#include <stdint.h>

namespace tlsbridge {

struct ProcessFacts {
  static ProcessFacts Read();

  double cpu_seconds = 0;
  uint64_t descriptors = 0;
  uint64_t most_descriptors = 0;
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
};

}  // namespace tlsbridge
