// Takes a backend out after failures of real connections, for longer each time.
//
// Once its time is over it is on probation: the first failure takes it out again, the first success
// lets it stay. Earlier ejections are forgotten when it has stayed for as long as the longest one.
//
// Thread: one; a value. Failure: none.
#pragma once

#include "absl/time/time.h"
#include "router/config/config.h"

namespace tlsbridge {

class EjectionState {
 public:
  // True if this failure takes it out, which it does only if `may_eject`.
  bool OnFailure(const Ejection& settings, absl::Time now, bool may_eject);

  // True if this is the first since it was taken out.
  bool OnSuccess(absl::Time now);

  // A check of an ejected backend has passed. True if so many have, `enough`, that it is put on
  // probation before its time is over.
  bool OnCheckPassed(int enough, absl::Time now);

  bool ejected(absl::Time now) const { return now < until_; }
  absl::Time until() const { return until_; }  // the past, if it never was ejected
  // Since when it would be out if it might be; the infinite future: it would not.
  absl::Time spared_since() const { return spared_since_; }
  int failures() const { return failures_; }  // in a row

 private:
  int failures_ = 0;
  int times_ = 0;
  int checks_passed_ = 0;      // since it was taken out
  bool on_probation_ = false;  // or still out
  bool missed_ = false;        // no success since it was taken out
  absl::Time until_ = absl::InfinitePast();
  absl::Time spared_since_ = absl::InfiniteFuture();
};

}  // namespace tlsbridge
