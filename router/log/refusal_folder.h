// Keeps clients that policy refuses from flooding the log, and loses none of them: who was refused,
// and how often, is an audit trail.
//
// Within a minute, the first few refusals of a kind at a route are written, and the first of each
// client; further ones are counted and logged by client. So each client that was refused is named
// in the log within a minute, and how often is known of each.
//
// Strangers choose how many addresses and certificates they come with, and must make neither this
// nor the log grow without bound. So of each kind kMostClients are logged separately; of one
// address no more than kMostSubjects certificates, the rest of them together; clients beyond that
// by the block of addresses that they come from, kMostBlocks of those; and the rest as a number.
// Each kind has room of its own: those who can only show certificates that nobody vouches for
// cannot crowd out whoever comes with a revoked one.
//
// Thread: any; locked. One serves all workers. Owner: the FailureFolder. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <string>
#include <tuple>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "bridge/counter.h"
#include "tls/mutex.h"

namespace tlsbridge {

class RefusalFolder {
 public:
  static constexpr absl::Duration kWindow = absl::Minutes(1);
  static constexpr int64_t kWrittenPerWindow = 5;
  static constexpr size_t kMostClients = 250;
  static constexpr size_t kMostSubjects = 8;
  static constexpr size_t kMostBlocks = 50;

  struct Refusal {
    std::string what;  // an entry of a closed list
    std::string route;
    std::string client;   // its address, as limits count it
    std::string block;    // of addresses, around it
    std::string subject;  // whom its certificate names; empty without one
  };
  // How exactly those are known whom a line of several refusals is about.
  enum class Scope : uint8_t { kClient, kOtherSubjects, kBlock, kRest };

  // True if this one is to be written; otherwise it has been counted.
  bool ShouldWrite(const Refusal& refusal, absl::Time now);

  // Reports whoever had refusals held back in a minute that is over, and forgets it. Of `who` that
  // is set that `scope` is about; `block` never is.
  using Report = absl::FunctionRef<void(const Refusal& who, Scope scope, int64_t more)>;
  void Flush(absl::Time now, Report report);

  // Refusals that were not written so far.
  uint64_t folded() const { return folded_.value(); }

  // When Flush() next has something to do; infinite future for never.
  absl::Time next_flush() const;

 private:
  // Route, address or block, subject.
  using Key = std::tuple<std::string, Scope, std::string, std::string>;
  struct Count {
    int64_t seen = 0;
    int64_t written = 0;
  };
  // Of one kind.
  struct Window {
    absl::Time ends;
    std::map<std::string, int64_t> written;  // by route
    std::map<Key, Count> counts;
    size_t clients = 0;
    size_t blocks = 0;
  };

  static Count* Find(Window* window, const Refusal& refusal);
  static size_t Subjects(const Window& window, const Refusal& refusal);

  mutable Mutex mutex_;
  std::map<std::string, Window> windows_ ABSL_GUARDED_BY(mutex_);
  Counter folded_;  // is added to with the lock held
};

}  // namespace tlsbridge
