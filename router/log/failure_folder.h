// Keeps repeated failures from flooding the log: the first few of a kind are written, the rest of
// the minute is told in one line ("and 214 more like it").
//
// A kind is an entry of a closed list, so that no peer can make this grow.
//
// Thread: any; locked. One serves all workers. Owner: the router. Failure: none.
#pragma once

#include <stdint.h>

#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"

namespace tlsbridge {

class FailureFolder {
 public:
  static constexpr absl::Duration kWindow = absl::Minutes(1);
  static constexpr int64_t kWrittenPerWindow = 5;

  // True if this one is to be written; otherwise it has been counted.
  bool ShouldWrite(const std::string& kind, absl::Time now);

  // Reports every kind of which some were held back and whose window is over, and forgets it.
  void Flush(absl::Time now, absl::FunctionRef<void(const std::string& kind, int64_t more)> report);

  // When Flush() next has something to do; infinite future for never.
  absl::Time next_flush() const;

 private:
  struct Kind {
    absl::Time window_ends;
    int64_t seen = 0;
  };

  mutable std::mutex mutex_;
  absl::flat_hash_map<std::string, Kind> kinds_;
};

}  // namespace tlsbridge
