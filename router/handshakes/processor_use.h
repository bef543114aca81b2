// How much of a processor a thread has had: whether one that has work gets to do it, or others have
// the processor.
//
// Thread: any. Owner: whoever asks. Failure: none; what the kernel does not tell is nothing.
#pragma once

#include <time.h>

#include <atomic>

#include "absl/time/time.h"

namespace tlsbridge {

class ProcessorUse {
 public:
  // From now on it is the calling thread's.
  void Attach();
  // Ever; nothing before Attach(), nor once the thread has ended.
  absl::Duration so_far() const;

 private:
  static constexpr clockid_t kNone = CLOCK_REALTIME;  // of no thread
  std::atomic<clockid_t> clock_{kNone};
};

}  // namespace tlsbridge
