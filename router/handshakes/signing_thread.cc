#include "router/handshakes/signing_thread.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "tls/check.h"

namespace tlsbridge {

SigningThread::SigningThread(EventLoop* loop)
    : loop_(loop),
      look_(
          loop, [this] { Look(); }, Timer::Of::kService) {
  sem_init(&offers_, /*pshared=*/0, /*value=*/0);
}

SigningThread::~SigningThread() {
  if (thread_.joinable()) {
    stopped_.store(true, std::memory_order_relaxed);
    sem_post(&offers_);
    thread_.Join();
  }
  sem_destroy(&offers_);
  on_signed_.reset();
  if (signed_fd_ >= 0) close(signed_fd_);
}

void SigningThread::Sign(std::shared_ptr<tls::SigningJob> job) {
  if (loop_->now() < neighbour_until_ || !StartThread()) return job->Finish(job->Sign());
  const auto place = std::find_if(places_.begin(), places_.end(), [](const Place& each) {
    return each.slot.load(std::memory_order_relaxed) == Slot::kEmpty;
  });
  Check(place != places_.end(), "a signer was given more than it has room for");
  place->job = std::move(job);
  place->number = ++offered_;
  place->slot.store(Slot::kOffered, std::memory_order_release);
  ++filled_;
  if (unsigned_++ == 0) BeginToWait();
  sem_post(&offers_);
}

// False if none is to be had now.
bool SigningThread::StartThread() {
  if (thread_.joinable()) return true;
  if (signed_fd_ < 0) signed_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signed_fd_ < 0) return false;
  if (on_signed_ == nullptr) {
    on_signed_ = std::make_unique<FdEvent>(loop_, signed_fd_, [this] { CollectSigned(); });
  }
  if (on_signed_->Enable() != 0) return false;
  auto thread = Thread::Start("signatures", [this] { Run(); });
  if (!thread.ok()) return false;
  thread_ = *std::move(thread);
  workers_use_.Attach();
  return true;
}

// ---- The thread.

void SigningThread::Run() {
  const sched_param none = {};
  sched_setscheduler(/*pid=*/0, SCHED_IDLE, &none);  // of this thread; needs no privilege
  threads_use_.Attach();
  size_t last = 0;
  while (true) {
    if (sem_wait(&offers_) != 0) continue;  // a signal
    if (stopped_.load(std::memory_order_relaxed)) return;
    if (!SignNext(&last)) continue;  // the worker has taken it back
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
    place.signature = place.job->Sign();
    place.slot.store(Slot::kSigned, std::memory_order_release);
    return true;
  }
  return false;
}

// ---- The worker.

void SigningThread::BeginToWait() {
  waits_since_ = loop_->now();
  worked_ = Worked();
  if (!look_.armed()) look_.ArmAfter(kLook);
}

// No signature has been made for a while. Where worker and thread have worked meanwhile, it is
// under way, or the worker has better things to do.
void SigningThread::Look() {
  look_.ArmAfter(kLook);
  const absl::Duration waited = loop_->now() - waits_since_;
  if (waited < kLook) return;
  if (Worked() - worked_ >= waited / 2) {
    if (waited >= kLongestWait) SignOldestHere();
    return;
  }
  neighbour_until_ = loop_->now() + next_stay_;
  next_stay_ = std::min(2 * next_stay_, kLongestStay);
  for (Place& place : places_) SignHere(&place);
}

void SigningThread::SignOldestHere() {
  std::array<Place*, kMostJobs> oldest;
  std::transform(places_.begin(), places_.end(), oldest.begin(), [](Place& each) { return &each; });
  std::sort(oldest.begin(), oldest.end(),
            [](const Place* a, const Place* b) { return a->number < b->number; });
  BeginToWait();
  for (Place* place : oldest) {
    if (SignHere(place)) return;
  }
}

// False if there is nothing to be signed in it.
bool SigningThread::SignHere(Place* place) {
  Slot offered = Slot::kOffered;
  const bool mine = place->slot.compare_exchange_strong(offered, Slot::kTaken);
  // What the thread has signed by now, CollectSigned() comes to.
  if (!mine && offered != Slot::kTaken) return false;
  const std::shared_ptr<tls::SigningJob> job = place->job;
  if (job->finished()) return false;  // the thread is still at it
  if (--unsigned_ == 0) look_.Cancel();
  if (mine) Empty(place);
  job->Finish(job->Sign());
  return true;
}

void SigningThread::CollectSigned() {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = read(signed_fd_, &count, sizeof(count));
  for (Place& place : places_) {
    if (place.slot.load(std::memory_order_acquire) != Slot::kSigned) continue;
    const std::shared_ptr<tls::SigningJob> job = place.job;
    std::vector<uint8_t> signature = std::exchange(place.signature, {});
    Empty(&place);
    if (job->finished()) continue;
    if (loop_->now() >= neighbour_until_) next_stay_ = kNeighbourStays;
    BeginToWait();
    if (--unsigned_ == 0) look_.Cancel();
    job->Finish(std::move(signature));  // may ask for the next
  }
}

void SigningThread::Empty(Place* place) {
  place->job.reset();
  place->slot.store(Slot::kEmpty, std::memory_order_relaxed);
  --filled_;
}

}  // namespace tlsbridge
