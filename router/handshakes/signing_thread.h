// Signs for one worker on a thread of the lowest priority, so that established traffic does not
// wait behind a signature: the kernel lets the worker go first whenever it has something to do
// (SCHED_IDLE, sched(7)).
//
// Where the worker never rests, the thread would never come to run. So the worker makes a signature
// by itself when none has been made for kPatience, and then each kPace, until the thread runs
// again.
//
// Thread: the worker's. Owner: the worker's ConnectionManager; the loop outlives it. The thread
// begins with the first job. Failure: none; without a thread the worker signs.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/thread.h"
#include "bridge/event/timer.h"
#include "tls/signing.h"

namespace tlsbridge {

class SigningThread final : public tls::Signer {
 public:
  // A storm of handshakes keeps a worker busy for ten milliseconds at a time, now and then for
  // twenty; that is no reason to let an echo wait for a signature.
  static constexpr absl::Duration kPatience = absl::Milliseconds(50);
  // Ten signatures' time, so that a tenth of a worker that never rests goes to them.
  static constexpr absl::Duration kPace = absl::Milliseconds(10);
  // One that is being made, and one for the thread to go on with. The rest wait in the queue of
  // handshakes, where those that leave are noticed.
  static constexpr size_t kMostJobs = 2;

  explicit SigningThread(EventLoop* loop);
  ~SigningThread();
  SigningThread(const SigningThread&) = delete;
  SigningThread& operator=(const SigningThread&) = delete;

  void Sign(std::shared_ptr<tls::SigningJob> job) override;
  bool full() const { return jobs_ >= kMostJobs; }

 private:
  void Run();
  std::shared_ptr<tls::SigningJob> Take();
  void SignOne();
  void Finish(tls::SigningJob* job);
  void Rearm() { impatience_.ArmAfter(thread_starves_ ? kPace : kPatience); }

  EventLoop* const loop_;  // Not owned.
  Timer impatience_;
  size_t jobs_ = 0;  // neither finished nor given up
  bool thread_starves_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<tls::SigningJob>> waiting_;  // guarded by mutex_
  bool stopped_ = false;                                  // guarded by mutex_
  Thread thread_;
};

}  // namespace tlsbridge
