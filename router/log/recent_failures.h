// The last failed connections, for operators: what the log says of each, also of those whose lines
// were folded; and of each reason how often it came, since when and when last.
//
// No peer can make this grow: kMost are kept. When there are more, the oldest of the reason that
// has most goes, so that a flood of one kind hides no other. Of those that the log folds no more
// than kFoldedASecond are kept in a second, since each costs a line.
//
// Thread: any; locked. One serves all workers. Owner: the FailureFolder. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bridge/termination_reason.h"
#include "tls/mutex.h"

namespace tlsbridge {

struct FailedConnection {
  uint64_t number = 0;  // counts up, for who asks for those that came since
  absl::Time at;        // by the wall
  TerminationReason reason = TerminationReason::kNone;
  std::string route;  // empty for none
  bool written = false;
  std::string line;    // as the log has it in text, without time and level
  std::string fields;  // the same as a JSON object
};

class RecentFailures {
 public:
  static constexpr size_t kMost = 200;
  static constexpr int kFoldedASecond = 100;
  // What has not come for so long is over: the next one begins another spell.
  static constexpr absl::Duration kSpellEnds = absl::Minutes(1);

  // Of one reason.
  struct Spell {
    uint64_t count = 0;
    absl::Time since = absl::InfinitePast();
    absl::Time last = absl::InfinitePast();
  };
  struct Query {
    uint64_t after = 0;                       // numbers that are greater
    std::optional<TerminationReason> reason;  // any without
    std::optional<std::string> route;         // likewise
    size_t limit = kMost;                     // the last ones
  };

  // A connection has failed. True if Add() is to follow.
  bool Count(TerminationReason reason, bool written, absl::Time wall);
  // Its number is given here.
  void Add(FailedConnection failure);

  // The oldest first.
  std::vector<FailedConnection> Take(const Query& query) const;
  uint64_t last_number() const;
  Spell SpellOf(TerminationReason reason) const;

 private:
  mutable Mutex mutex_;
  std::deque<FailedConnection> failures_ ABSL_GUARDED_BY(mutex_);
  std::array<size_t, kTerminationReasons> kept_ ABSL_GUARDED_BY(mutex_) = {};  // of each reason
  std::array<Spell, kTerminationReasons> spells_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time second_began_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int folded_in_second_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tlsbridge
