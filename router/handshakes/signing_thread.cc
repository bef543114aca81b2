#include "router/handshakes/signing_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "tls/check.h"

namespace tlsbridge {

SigningThread::SigningThread(EventLoop* loop)
    : loop_(loop),
      look_(
          loop, [this] { LookAfter(); }, Timer::Of::kService) {}

SigningThread::~SigningThread() {
  stopped_.store(true, std::memory_order_relaxed);
  Stop(yielding_);
  Stop(equal_);
  on_signed_.reset();
  if (signed_fd_ >= 0) close(signed_fd_);
}

void SigningThread::Sign(std::shared_ptr<tls::SigningJob> job) {
  Hand& hand = loop_->now() < neighbour_until_ ? equal_ : yielding_;
  if (!Runs(hand)) {
    job->Run();
    return job->Finish();
  }
  const auto place = std::find_if(places_.begin(), places_.end(), [](const Place& each) {
    return each.slot.load(std::memory_order_relaxed) == Slot::kEmpty;
  });
  Check(place != places_.end(), "a signer was given more than it has room for");
  place->job = std::move(job);
  place->slot.store(Slot::kOffered, std::memory_order_release);
  if (jobs_++ == 0) BeginToWait();
  sem_post(&hand.offers);
}

// False if no thread is to be had now.
bool SigningThread::Runs(Hand& hand) {
  if (hand.thread.joinable()) return true;
  if (signed_fd_ < 0) signed_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signed_fd_ < 0) return false;
  if (on_signed_ == nullptr) {
    on_signed_ = std::make_unique<FdEvent>(loop_, signed_fd_, [this] { CollectSigned(); });
  }
  if (on_signed_->Enable() != 0) return false;
  auto thread = Thread::Start("signatures", [this, &hand] { Run(hand); });
  if (!thread.ok()) return false;
  hand.thread = *std::move(thread);
  workers_use_.Attach();
  return true;
}

// ---- The threads.

void SigningThread::Run(Hand& hand) {
  [[maybe_unused]] const int now = nice(hand.nicer);  // of this thread, on Linux
  hand.use.Attach();
  size_t last = 0;
  while (true) {
    if (sem_wait(&hand.offers) != 0) continue;  // a signal
    if (stopped_.load(std::memory_order_relaxed)) return;
    if (!SignNext(&last)) continue;  // the other one was quicker
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(signed_fd_, &one, sizeof(one));
  }
}

// Of two, the one that was offered first is behind the `last` one that was taken.
bool SigningThread::SignNext(size_t* last) {
  for (size_t i = 1; i <= kMostJobs; ++i) {
    const size_t at = (*last + i) % kMostJobs;
    Place& place = places_[at];
    Slot offered = Slot::kOffered;
    if (!place.slot.compare_exchange_strong(offered, Slot::kTaken, std::memory_order_acquire)) {
      continue;
    }
    *last = at;
    place.job->Run();
    place.slot.store(Slot::kSigned, std::memory_order_release);
    return true;
  }
  return false;
}

// ---- The worker.

void SigningThread::Stop(Hand& hand) {
  if (hand.thread.joinable()) {
    sem_post(&hand.offers);
    hand.thread.Join();
  }
  sem_destroy(&hand.offers);
}

absl::Duration SigningThread::Worked() const {
  return workers_use_.so_far() + yielding_.use.so_far() + equal_.use.so_far();
}

void SigningThread::BeginToWait() {
  waits_since_ = loop_->now();
  worked_ = Worked();
  if (!look_.armed()) look_.ArmAfter(kLook);
}

// No signature has been made for a while. Where worker and thread have worked meanwhile, it is
// under way, or the worker has better things to do.
void SigningThread::LookAfter() {
  look_.ArmAfter(kLook);
  const absl::Duration waited = loop_->now() - waits_since_;
  if (waited < kLook || Worked() - worked_ >= waited / 2) return;
  if (loop_->now() >= neighbour_until_) {
    neighbour_until_ = loop_->now() + next_stay_;
    next_stay_ = std::min(2 * next_stay_, kLongestStay);
  }
  if (!Runs(equal_)) return;  // the other one will come to it
  for (const Place& place : places_) {
    if (place.slot.load(std::memory_order_relaxed) == Slot::kOffered) sem_post(&equal_.offers);
  }
}

void SigningThread::CollectSigned() {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = read(signed_fd_, &count, sizeof(count));
  for (Place& place : places_) {
    if (place.slot.load(std::memory_order_acquire) != Slot::kSigned) continue;
    const std::shared_ptr<tls::SigningJob> job = std::move(place.job);
    place.slot.store(Slot::kEmpty, std::memory_order_relaxed);
    --jobs_;
    if (loop_->now() >= neighbour_until_) next_stay_ = kNeighbourStays;
    BeginToWait();
    if (jobs_ == 0) look_.Cancel();
    job->Finish();  // may ask for the next
  }
}

}  // namespace tlsbridge
