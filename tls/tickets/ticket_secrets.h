// The secrets from which session tickets are encrypted, and when each is replaced.
//
//   random  made in this process and replaced every period; tickets end with the process
//   file    one secret a line, in base64, 32 to 256 bytes each (openssl rand -base64 48), 8 lines
//   at
//           most; empty lines and lines that begin with # are passed over. The first encrypts, all
//           decrypt. Created anew and taken over when the file changes
//   shared  one secret of 32 bytes or more, the whole file but white space at its end. It and the
//           number of periods since 1970 make the secret of each period, so that all replicas that
//           have the file agree without talking to each other, also after a restart
//   off     no ticket is issued or accepted
//
// A random or shared secret encrypts for one period and decrypts for one more; a shared one also
// for the period before, since clocks differ. So a ticket is accepted for one period at least, and
// one period is the lifetime that clients are told. A random secret is dropped by the first
// handshake after its time. A clock that is set, forward or back, changes nothing for it.
//
// Thread: any. Owner: shared by the keys derived from it (tls/tickets/ticket_keys.h); one serves
// all routes. Failure: Create() returns a Status that names the file.
#pragma once

#include <stdint.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tls/mutex.h"

namespace tlsbridge::tls {

struct TicketOptions {
  enum class Mode { kOff, kRandom, kFile, kShared };
  Mode mode = Mode::kRandom;
  std::string path;                         // kFile, kShared
  absl::Duration period = absl::Hours(12);  // also the lifetime of a ticket, in every mode
};

class TicketSecrets {
 public:
  using Clock = std::function<absl::Time()>;
  // Both are called from any thread.
  struct Clocks {
    Clock wall;       // the time since 1970, by which replicas agree on a shared secret
    Clock monotonic;  // never set by anybody: by it random secrets are replaced
  };
  static constexpr size_t kMaxSecrets = 8;

  struct Secret {
    Secret() = default;
    Secret(const Secret&) = default;
    Secret& operator=(const Secret&) = default;
    ~Secret();

    std::array<uint8_t, 32> bytes = {};
    bool old = false;  // what it encrypted should be encrypted anew
  };
  struct Snapshot {
    std::vector<Secret> secrets;  // the first encrypts, all decrypt
    // Good while `from` <= now < `until`, as long as generation() is this.
    absl::Time from;
    absl::Time until;
    uint64_t generation = 0;
  };

  static absl::StatusOr<std::shared_ptr<TicketSecrets>> Create(const TicketOptions& options,
                                                               const Clocks& clocks);
  TicketSecrets(const TicketSecrets&) = delete;
  TicketSecrets& operator=(const TicketSecrets&) = delete;

  // kFile, kShared: goes on with the secrets of `renewed`, which nobody else uses yet.
  void TakeOver(const TicketSecrets& renewed);

  // Takes a lock: ask when the snapshot of before is no longer good.
  Snapshot Take(absl::Time now);
  // kRandom: what another process goes on with in this one's place. Nothing in it is a time of this
  // process's clock.
  struct Random {
    std::vector<Secret> secrets;  // the first encrypts
    absl::Duration rotates_in;
  };
  Random ExportRandom();
  // REQUIRES: nobody uses it yet. Does nothing in another mode.
  void ImportRandom(const Random& random);

  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // By the clock that its mode goes by.
  absl::Time Now() const { return clock_(); }
  const TicketOptions& options() const { return options_; }

 private:
  TicketSecrets(const TicketOptions& options, const Clocks& clocks);

  absl::Status Load();
  void RotateRandom(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Snapshot OfPeriod(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const TicketOptions options_;
  const Clock clock_;
  std::atomic<uint64_t> generation_ = 1;
  mutable Mutex mutex_;
  // kShared: the one that all are made from.
  std::vector<Secret> secrets_ ABSL_GUARDED_BY(mutex_);
  absl::Time rotates_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();  // kRandom
};

}  // namespace tlsbridge::tls
