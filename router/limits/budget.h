// How many connections this process can carry: worked out at start from descriptors and memory.
//
// Thread: main's, before anything else runs. Failure: none; what cannot be read does not limit.
#pragma once

#include <stdint.h>

#include "router/config/config.h"

namespace tlsbridge {

struct Budget {
  int64_t descriptors = 0;   // soft limit, after it has been raised
  int64_t memory_bytes = 0;  // of the machine, or of the control group if that is less
  int64_t connections = 0;
};

// Descriptors kept for the standard streams, the log, signals, files that are reloaded and watched,
// the control loop, and clients of the admin server.
inline constexpr int64_t kReservedDescriptors = 64;

// What a connection can be made to hold: tests/router/limits/worst_case_test.cc measures it.
// Before it is understood, however it is cut up: a ClientHello that lacks its last byte.
inline constexpr int64_t kGreetingBytes = 18 * 1024;
// A TLS session in its handshake that waits for its client, who may have stopped inside the longest
// record.
inline constexpr int64_t kHandshakeBytes = 24 * 1024;
// A session in its handshake with a backend, who has stopped inside the longest certificates and
// the longest record.
inline constexpr int64_t kBackendHandshakeBytes = 62 * 1024;
// An established one, with such a record.
inline constexpr int64_t kSessionBytes = 20 * 1024;
// The certificates that its peer has shown, which it keeps (tls/certificates/certificate_uses.h).
inline constexpr int64_t kClientChainBytes = 17 * 1024;
inline constexpr int64_t kBackendChainBytes = 33 * 1024;
// A queue at its mark (bridge/endpoint.h).
inline constexpr int64_t kQueueBytes = 64 * 1024;
// The records of the connection and of its two sockets, here and in the kernel.
inline constexpr int64_t kConnectionBytes = 6 * 1024;
inline constexpr int64_t kKernelBytes = 6 * 1024;
// The worst: both peers speak TLS, and have stalled inside a record while a queue each is full.
inline constexpr int64_t kBytesPerConnection = 2 * (kQueueBytes + kSessionBytes) +
                                               kClientChainBytes + kBackendChainBytes +
                                               kConnectionBytes + kKernelBytes;

// Descriptors that `config` needs beside those of connections: the reserved ones, and those of
// workers, listeners, lookups and checks of backends.
int64_t OtherDescriptors(const Config& config, int workers);

// A connection takes two descriptors; three quarters of memory may go to connections. `others` may
// take a quarter of the descriptors, or what is reserved where that is more: checks, for one, need
// theirs only while backends do not answer.
int64_t ConnectionBudget(int64_t descriptors, int64_t memory_bytes,
                         int64_t others = kReservedDescriptors);

// Whether an operator should be told that so many connections are few, where `wanted` were asked
// for (zero: as many as fit).
bool AreFew(int64_t connections, int64_t wanted);

// Raises the soft limit of descriptors to the hard one, a million at most, and works out the rest.
Budget ClaimBudget(int64_t others = kReservedDescriptors);

}  // namespace tlsbridge
