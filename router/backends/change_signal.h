// Tells one loop that something about backends has changed, from whatever thread noticed it. All
// changes until the loop gets to it are one.
//
// Thread: Raise() any; the rest the loop's. Owner: shared by those who raise it, who may outlive
// the loop: Close() comes before the loop's end. Failure: none.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "bridge/event/event_loop.h"

namespace tlsbridge {

class ChangeSignal : public std::enable_shared_from_this<ChangeSignal> {
 public:
  static std::shared_ptr<ChangeSignal> Create(EventLoop* loop,
                                              absl::AnyInvocable<void()> on_change) {
    return std::shared_ptr<ChangeSignal>(new ChangeSignal(loop, std::move(on_change)));
  }
  ChangeSignal(const ChangeSignal&) = delete;
  ChangeSignal& operator=(const ChangeSignal&) = delete;

  // With any lock held but the loop's own.
  void Raise() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (loop_ == nullptr || std::exchange(raised_, true)) return;
    loop_->Post([self = shared_from_this()] { self->Tell(); });
  }

  // Nobody is told any more.
  void Close() {
    std::lock_guard<std::mutex> lock(mutex_);
    loop_ = nullptr;
    on_change_ = nullptr;
  }

 private:
  ChangeSignal(EventLoop* loop, absl::AnyInvocable<void()> on_change)
      : loop_(loop), on_change_(std::move(on_change)) {}

  void Tell() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      raised_ = false;
      if (loop_ == nullptr) return;
    }
    on_change_();
  }

  std::mutex mutex_;  // guards the next two
  EventLoop* loop_;   // Not owned; null once closed.
  bool raised_ = false;
  absl::AnyInvocable<void()> on_change_;  // the loop's
};

}  // namespace tlsbridge
