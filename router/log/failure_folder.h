// Keeps repeated failures from flooding the log: the first few of a kind are written, the rest of
// the minute is told in one line ("and 214 more like it").
//
// A kind is an entry of a closed list at one route and backend, so that what fails all the time
// does not hide what fails elsewhere. No peer can make this grow: of kMostKinds, the next are told
// apart by the entry only.
//
// Refusals by policy are folded by client instead (RefusalFolder).
//
// Thread: any; locked. One serves all workers. Owner: the router. Failure: none.
#pragma once

#include <stdint.h>

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "bridge/counter.h"
#include "router/log/recent_failures.h"
#include "router/log/refusal_folder.h"
#include "tls/mutex.h"

namespace tlsbridge {

class FailureFolder {
 public:
  static constexpr absl::Duration kWindow = absl::Minutes(1);
  static constexpr int64_t kWrittenPerWindow = 5;
  static constexpr size_t kMostKinds = 1000;

  struct Kind {
    std::string what;
    std::string route;    // empty: none
    std::string backend;  // likewise

    bool operator==(const Kind& other) const {
      return what == other.what && route == other.route && backend == other.backend;
    }
    template <typename H>
    friend H AbslHashValue(H state, const Kind& kind) {
      return H::combine(std::move(state), kind.what, kind.route, kind.backend);
    }
  };

  // True if this one is to be written; otherwise it has been counted.
  bool ShouldWrite(Kind kind, absl::Time now);

  // Reports every kind of which some were held back and whose window is over, and forgets it.
  void Flush(absl::Time now, absl::FunctionRef<void(const Kind& kind, int64_t more)> report);

  // When Flush() next has something to do; infinite future for never.
  absl::Time next_flush() const;

  RefusalFolder& refusals() { return refusals_; }
  // The last of them, whether written or not.
  RecentFailures& recent() { return recent_; }
  const RecentFailures& recent() const { return recent_; }
  // Those that were not written so far, of both kinds.
  uint64_t folded() const { return folded_.value() + refusals_.folded(); }

 private:
  struct Count {
    absl::Time window_ends;
    int64_t seen = 0;
  };

  mutable Mutex mutex_;
  absl::flat_hash_map<Kind, Count> kinds_ ABSL_GUARDED_BY(mutex_);
  Counter folded_;  // is added to with the lock held
  RefusalFolder refusals_;
  RecentFailures recent_;
};

}  // namespace tlsbridge
