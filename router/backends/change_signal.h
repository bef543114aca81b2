// Tells one loop of which routes backends have changed, from whatever thread noticed it. All
// changes until the loop gets to it are one.
//
// Thread: Raise() any; the rest the loop's. Owner: shared by those who raise it, who may outlive
// the loop: Close() comes before the loop's end. Failure: none.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"
#include "tls/mutex.h"

namespace tlsbridge {

class ChangeSignal : public std::enable_shared_from_this<ChangeSignal> {
 public:
  using OnChange = absl::AnyInvocable<void(const std::set<std::string>& routes)>;

  static std::shared_ptr<ChangeSignal> Create(EventLoop* loop, OnChange on_change) {
    return std::shared_ptr<ChangeSignal>(new ChangeSignal(loop, std::move(on_change)));
  }
  ChangeSignal(const ChangeSignal&) = delete;
  ChangeSignal& operator=(const ChangeSignal&) = delete;

  // With any lock held but the loop's own.
  void Raise(const std::string& route) {
    const MutexLock lock(mutex_);
    if (loop_ == nullptr) return;
    const bool is_posted = !changed_.empty();
    changed_.insert(route);
    if (!is_posted) loop_->Post([self = shared_from_this()] { self->Notify(); });
  }

  // Nobody is told any more.
  void Close() {
    const MutexLock lock(mutex_);
    loop_ = nullptr;
    on_change_ = nullptr;
  }

 private:
  ChangeSignal(EventLoop* loop, OnChange on_change)
      : loop_(loop), on_change_(std::move(on_change)) {}

  void Notify() {
    std::set<std::string> changed;
    {
      const MutexLock lock(mutex_);
      changed.swap(changed_);
      if (loop_ == nullptr) return;
    }
    on_change_(changed);
  }

  Mutex mutex_;
  EventLoop* loop_ ABSL_GUARDED_BY(mutex_);  // Not owned; null once closed.
  std::set<std::string> changed_ ABSL_GUARDED_BY(mutex_);
  OnChange on_change_;  // the loop's
};

}  // namespace tlsbridge
