#include "router/handshakes/signing_thread.h"

#include <sched.h>

#include <utility>

namespace tlsbridge {

SigningThread::SigningThread(EventLoop* loop)
    : loop_(loop),
      impatience_(
          loop, [this] { SignOne(); }, Timer::Of::kService) {}

SigningThread::~SigningThread() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  thread_.Join();
}

void SigningThread::Sign(std::shared_ptr<tls::SigningJob> job) {
  ++jobs_;
  if (!impatience_.armed()) Rearm();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(job));
  }
  if (thread_.joinable()) return changed_.notify_one();
  // Where there is none to be had, the worker signs when its patience is over.
  if (auto thread = Thread::Start("signatures", [this] { Run(); }); thread.ok()) {
    thread_ = *std::move(thread);
  }
}

// Null if none waits.
std::shared_ptr<tls::SigningJob> SigningThread::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (waiting_.empty()) return nullptr;
  std::shared_ptr<tls::SigningJob> job = std::move(waiting_.front());
  waiting_.pop_front();
  return job;
}

void SigningThread::Run() {
  const sched_param none = {};
  sched_setscheduler(/*pid=*/0, SCHED_IDLE, &none);  // of this thread; needs no privilege
  while (true) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
      if (stopped_) return;
    }
    std::shared_ptr<tls::SigningJob> job = Take();
    if (job == nullptr) continue;  // the worker was quicker
    job->Run();
    loop_->Post([this, job = std::move(job)] {
      thread_starves_ = false;
      Finish(job.get());
    });
  }
}

void SigningThread::SignOne() {
  const std::shared_ptr<tls::SigningJob> job = Take();
  if (job == nullptr) return;  // the thread has the last one, and will finish it
  thread_starves_ = true;
  job->Run();
  Finish(job.get());
}

// While the thread gets on, the worker need not help.
void SigningThread::Finish(tls::SigningJob* job) {
  if (--jobs_ == 0) {
    impatience_.Cancel();
  } else {
    Rearm();
  }
  job->Finish();  // may ask for the next
}

}  // namespace tlsbridge
