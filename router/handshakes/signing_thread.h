// Signs for one worker on a thread of its own, so that established traffic does not wait behind a
// signature. Of two threads one signs: which, depends on who else wants the processor.
//
// The yielding one is nicer than the worker by kNicer, so that the worker goes first whenever it
// has something to do, and it gets some of a worker that never rests. Measured on one core with
// RSA-2048, Linux 6.18: p99 of echoes during a storm of handshakes is 1.2 ms where the thread is
// the worker's equal, 0.7 with 12, and 0.7 with SCHED_IDLE.
//
// But who yields to the worker yields to every neighbour, too. Beside one busy loop on the core the
// median of 4 handshakes at a time is 44 ms with SCHED_IDLE, which may wait for as long as the
// neighbour likes, 8 ms with 5, and 4.6 ms with an equal: nginx, which signs in its only thread,
// needs 3 to 5. So when a signature is not made for kLook, and worker and thread together have had
// less than half of that time of a processor, others have it, and the equal thread signs for
// kNeighbourStays. Then the other one is tried again: each time that it is in vain it may hold one
// handshake for half a second, so that the next time comes twice as late, kLongestStay at most.
//
// Worker and threads share no lock: jobs lie in a few slots that change hands by one atomic word
// each.
//
// Thread: the worker's. Owner: the worker's ConnectionManager; the loop outlives it. A thread
// begins with the first job for it. Failure: none; without a thread the worker signs.
#pragma once

#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>

#include <array>
#include <atomic>
#include <memory>

#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/thread.h"
#include "bridge/event/timer.h"
#include "router/handshakes/processor_use.h"
#include "tls/signing.h"

namespace tlsbridge {

class SigningThread final : public tls::Signer {
 public:
  static constexpr int kNicer = 12;
  // Some signatures' time.
  static constexpr absl::Duration kLook = absl::Milliseconds(5);
  static constexpr absl::Duration kNeighbourStays = absl::Seconds(1);
  static constexpr absl::Duration kLongestStay = absl::Minutes(1);
  // One that is being made, and one for the thread to go on with. The rest wait in the queue of
  // handshakes, where those that leave are noticed.
  static constexpr size_t kMostJobs = 2;

  explicit SigningThread(EventLoop* loop);
  ~SigningThread();
  SigningThread(const SigningThread&) = delete;
  SigningThread& operator=(const SigningThread&) = delete;

  // REQUIRES: has_room().
  void Sign(std::shared_ptr<tls::SigningJob> job) override;
  bool has_room() const { return jobs_ < kMostJobs; }

 private:
  enum class Slot : uint8_t {
    kEmpty,
    kOffered,  // to the threads
    kTaken,    // by one of them
    kSigned,
  };
  struct Place {
    std::atomic<Slot> slot{Slot::kEmpty};
    std::shared_ptr<tls::SigningJob> job;  // the worker's; a thread's from kTaken to kSigned
  };
  struct Hand {
    explicit Hand(int nicer) : nicer(nicer) { sem_init(&offers, /*pshared=*/0, /*value=*/0); }
    const int nicer;
    sem_t offers;
    ProcessorUse use;
    Thread thread;
  };

  bool Runs(Hand& hand);
  void Run(Hand& hand);
  bool SignNext(size_t* last);
  static void Stop(Hand& hand);
  absl::Duration Worked() const;
  void BeginToWait();
  void LookAfter();
  void CollectSigned();

  EventLoop* const loop_;  // Not owned.
  Timer look_;             // while there are jobs
  ProcessorUse workers_use_;
  size_t jobs_ = 0;  // neither finished nor given up
  // Since when the next signature is waited for, and what worker and threads had worked by then.
  absl::Time waits_since_;
  absl::Duration worked_;
  absl::Time neighbour_until_ = absl::InfinitePast();
  absl::Duration next_stay_ = kNeighbourStays;

  std::array<Place, kMostJobs> places_;
  std::atomic<bool> stopped_{false};
  int signed_fd_ = -1;  // readable when a place is kSigned
  std::unique_ptr<FdEvent> on_signed_;
  Hand yielding_{kNicer};
  Hand equal_{0};
};

}  // namespace tlsbridge
