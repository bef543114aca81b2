#include "bridge/event/thread.h"

#include <string.h>

#include <atomic>
#include <chrono>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

std::atomic<bool> g_any_left{false};

}  // namespace

absl::StatusOr<Thread> Thread::Start(absl::string_view purpose, absl::AnyInvocable<void()> run) {
  Thread thread;
  thread.end_ = std::make_shared<End>();
  try {
    thread.thread_ = std::thread([run = std::move(run), end = thread.end_]() mutable {
      run();
      run = nullptr;  // what it holds goes before anybody is told
      {
        const MutexLock lock(end->mutex);
        end->reached = true;
      }
      end->changed.NotifyOne();
    });
  } catch (const std::system_error& error) {
    return CannotStartThread(purpose, error.code().value());
  }
  return thread;
}

Thread& Thread::operator=(Thread&& other) noexcept {
  Join();
  end_ = std::move(other.end_);
  thread_ = std::move(other.thread_);
  return *this;
}

void Thread::Join() {
  if (thread_.joinable()) thread_.join();
}

bool Thread::End::Await(absl::Duration patience) {
  const MutexLock lock(mutex);
  const auto has_come = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return reached; };
  return changed.AwaitFor(mutex, absl::ToChronoNanoseconds(patience), has_come);
}

bool Thread::JoinOrLeave(absl::Duration patience) {
  if (!thread_.joinable()) return true;
  const bool reached = end_->Await(patience);
  if (reached) {
    thread_.join();
  } else {
    g_any_left.store(true);
    thread_.detach();
  }
  return reached;
}

bool Thread::AnyLeft() { return g_any_left.load(); }

absl::Status CannotStartThread(absl::string_view purpose, int error) {
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot start a thread (", purpose, "): ", strerror(error),
                   "; raise the limit of this user's processes or this service's tasks (ulimit -u, "
                   "TasksMax=, pids.max)"));
}

}  // namespace tlsbridge
