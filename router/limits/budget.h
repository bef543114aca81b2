// How many connections this process can carry: worked out at start from descriptors and memory.
//
// Thread: main's, before anything else runs. Failure: none; what cannot be read does not limit.
#pragma once

#include <stdint.h>

namespace tlsbridge {

struct Budget {
  int64_t descriptors = 0;   // soft limit, after it has been raised
  int64_t memory_bytes = 0;  // of the machine, or of the control group if that is less
  int64_t connections = 0;
};

// Descriptors kept for listeners, logs, files that are reloaded and names that are looked up.
inline constexpr int64_t kReservedDescriptors = 64;
// A connection whose peers both stall: two queues at their marks, TLS state and the kernel's own
// share.
inline constexpr int64_t kBytesPerConnection = 192 * 1024;

// A connection takes two descriptors; three quarters of memory may go to connections.
int64_t ConnectionBudget(int64_t descriptors, int64_t memory_bytes);

// Raises the soft limit of descriptors to the hard one, a million at most, and works out the rest.
Budget ClaimBudget();

}  // namespace tlsbridge
