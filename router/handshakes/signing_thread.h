// Signs for one worker on a thread of its own, so that established traffic does not wait behind a
// signature; beside a busy neighbour the worker signs itself.
//
// The thread runs only when nobody else wants the processor (SCHED_IDLE). Measured on one core with
// RSA-2048, Linux 6.18: p99 of echoes during a storm of handshakes is 0.5 ms with it, 1.0 ms with a
// thread that is nicer by 12 or 19, and 1.2 ms with an equal.
//
// But who yields to the worker yields to every neighbour, too, for as long as that likes. So when a
// signature is not made for kLook, and worker and thread together have had less than half of that
// time of a processor, others have it: the worker makes the signature, again where the thread is
// amid it, and all others for kNeighbourStays. Then the thread is tried again. Each time that it is
// in vain one handshake has waited for kLook, so that the next time comes twice as late,
// kLongestStay at most.
//
// A worker that is busy with its own traffic leaves the thread a three-hundredth of the processor.
// There it makes one signature each kLongestWait, so that handshakes go on, and traffic too.
//
// Worker and thread share no lock: jobs lie in a few slots that change hands by one atomic word
// each.
//
// Thread: the worker's. Owner: the worker's ConnectionManager; the loop outlives it. The thread
// begins with the first job for it. Failure: none; without a thread the worker signs.
#pragma once

#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

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
  // Some signatures' time.
  static constexpr absl::Duration kLook = absl::Milliseconds(5);
  static constexpr absl::Duration kLongestWait = absl::Milliseconds(10);
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
  bool has_room() const { return filled_ < kMostJobs; }

 private:
  enum class Slot : uint8_t {
    kEmpty,
    kOffered,  // to the thread, or taken back by the worker
    kTaken,    // by the thread
    kSigned,
  };
  // The worker's, but for the signature, which is the thread's while it is kTaken.
  struct Place {
    std::atomic<Slot> slot{Slot::kEmpty};
    std::shared_ptr<tls::SigningJob> job;
    uint64_t number = 0;  // in the order in which they came
    std::vector<uint8_t> signature;
  };

  bool StartThread();
  void Run();
  bool SignNext(size_t* last);

  absl::Duration Worked() const { return workers_use_.so_far() + threads_use_.so_far(); }
  void BeginToWait();
  void Look();
  void SignOldestHere();
  bool SignHere(Place* place);
  void CollectSigned();
  void Empty(Place* place);

  EventLoop* const loop_;  // Not owned.
  Timer look_;             // while a job is to be signed
  uint64_t offered_ = 0;   // jobs
  size_t filled_ = 0;      // places
  size_t unsigned_ = 0;    // of those; the rest the worker has signed meanwhile
  // Since when the next signature is waited for, and what worker and thread had worked by then.
  absl::Time waits_since_;
  absl::Duration worked_;
  absl::Time neighbour_until_ = absl::InfinitePast();
  absl::Duration next_stay_ = kNeighbourStays;

  std::array<Place, kMostJobs> places_;
  std::atomic<bool> stopped_{false};
  int signed_fd_ = -1;  // readable when a place is kSigned
  std::unique_ptr<FdEvent> on_signed_;
  sem_t offers_;
  ProcessorUse workers_use_;
  ProcessorUse threads_use_;
  Thread thread_;
};

}  // namespace tlsbridge
