// What one read of a socket, or of the TLS session on it, has given.
//
// Thread: the worker's. Owner: nobody; the bytes are in the worker's staging memory, and valid
// until the next read on that worker. Failure: an outcome.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "absl/types/span.h"

namespace tlsbridge {

enum class ReadOutcome : uint8_t {
  kDrained,    // the socket has no more for now
  kMore,       // it may have more
  kEnded,      // the peer's stream is complete: FIN, or close_notify
  kTruncated,  // FIN without close_notify
  kFailed,     // the socket failed; `error`
  kTlsFailed,  // the session failed
};

struct Read {
  absl::Span<const uint8_t> bytes;
  ReadOutcome outcome = ReadOutcome::kDrained;
  int error = 0;       // an errno
  size_t records = 0;  // of TLS, that `bytes` came in
};

}  // namespace tlsbridge
