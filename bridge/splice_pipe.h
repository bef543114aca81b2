// Moves bytes from one socket to another past this process's memory, with splice(2).
//
// One pipe serves all connections of a worker: it is empty between two calls, since what the second
// socket does not take at once is read back, for the caller to queue. Its two descriptors are there
// from the first use on.
//
// Thread: the worker's. Owner: the worker. Failure: by outcome. Where the system gives no pipe, or
// no splice, nothing is moved, and the caller reads as if there were none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <vector>

#include "absl/types/span.h"
#include "bridge/read.h"

namespace tlsbridge {

class SplicePipe {
 public:
  struct Moved {
    size_t bytes = 0;  // that `from` gave
    // Of them, what `to` has yet to be given. In `room`.
    absl::Span<const uint8_t> rest;
    // kDrained: there may be more all the same, since a pipe holds few packets; the loop tells.
    ReadOutcome outcome = ReadOutcome::kDrained;
    int error = 0;        // of kFailed
    int write_error = 0;  // of `to`, to which then nothing more can be given
  };

  SplicePipe() = default;
  SplicePipe(const SplicePipe&) = delete;
  SplicePipe& operator=(const SplicePipe&) = delete;
  ~SplicePipe();

  // `limit` bytes at most, and no more than `room` has. REQUIRES: both sockets are non-blocking.
  Moved Move(int from, int to, size_t limit, std::vector<uint8_t>* room);

  // That have been moved without being read back, ever.
  uint64_t moved_bytes() const { return moved_bytes_; }

 private:
  bool Open();

  int read_fd_ = -1;
  int write_fd_ = -1;
  bool unusable_ = false;  // the kernel, or a filter of system calls, knows no such thing
  uint64_t moved_bytes_ = 0;
};

}  // namespace tlsbridge
