#include "bridge/race_dialer.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "bridge/dial.h"

namespace tlsbridge {

class RaceDialer::Attempt {
 public:
  Attempt(EventLoop* loop, LiveCounters* live, int fd, absl::AnyInvocable<void()> on_writable)
      : live_(&live->sockets), loop_(loop), fd_(fd), on_writable_(std::move(on_writable)) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt() {
    if (event_.has_value()) event_->Disable();
    if (fd_ < 0) return;
    // It may have been connected meanwhile: a FIN would look like a stream that is complete.
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd_);
  }

  int error() const {
    int error = 0;
    socklen_t length = sizeof(error);
    return getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
  }

  [[nodiscard]] int Watch() {
    event_.emplace(loop_, fd_, std::move(on_writable_), FdEvent::For::kWriting);
    return event_->Enable();
  }

  // The descriptor is the caller's. The event must not outlive this call by a turn.
  int Release() {
    if (event_.has_value()) event_->Disable();
    return std::exchange(fd_, -1);
  }

 private:
  const LiveCount live_;
  EventLoop* const loop_;  // Not owned.
  int fd_;
  absl::AnyInvocable<void()> on_writable_;
  std::optional<FdEvent> event_;  // of one that is not connected at once
};

RaceDialer::RaceDialer(EventLoop* loop, LiveCounters* live,
                       absl::Span<const SocketAddress> addresses, const TcpOptions& options,
                       OnDone on_done)
    : loop_(loop),
      live_(live),
      addresses_(addresses.begin(), addresses.end()),
      options_(options),
      on_done_(std::move(on_done)),
      attempts_(addresses_.size()),
      timer_(loop, [this] { OnTimer(); }) {
  StartNext();
}

RaceDialer::~RaceDialer() = default;

void RaceDialer::StartNext() {
  while (begun_ < addresses_.size()) {
    const size_t attempt = begun_++;
    const DialResult dialled = Dial(addresses_[attempt], options_);
    if (dialled.fd < 0) {
      last_error_ = dialled.error;
      continue;
    }
    attempts_[attempt] = std::make_unique<Attempt>(loop_, live_, dialled.fd,
                                                   [this, attempt] { OnWritable(attempt); });
    if (dialled.connected) {  // as UNIX sockets are
      ++open_;
      connected_ = attempt;
      return timer_.ArmAfter(absl::ZeroDuration());
    }
    if (const int error = attempts_[attempt]->Watch(); error != 0) {
      last_error_ = error;
      attempts_[attempt].reset();
      continue;
    }
    ++open_;
    if (begun_ < addresses_.size()) timer_.ArmAfter(kAttemptDelay);
    return;
  }
  // All have failed; told in a turn of its own.
  if (open_ == 0) timer_.ArmAfter(absl::ZeroDuration());
}

void RaceDialer::OnTimer() {
  if (connected_.has_value()) return Win(*connected_);
  if (open_ > 0 || begun_ < addresses_.size()) return StartNext();
  OnDone done = std::move(on_done_);  // it may destroy us
  std::move(done)({.error = last_error_});
}

void RaceDialer::OnWritable(size_t attempt) {
  const int error = attempts_[attempt]->error();
  if (error != 0) {
    last_error_ = error;
    attempts_[attempt].reset();
    --open_;
    timer_.Cancel();
    return StartNext();
  }
  Win(attempt);
}

void RaceDialer::Win(size_t attempt) {
  timer_.Cancel();
  const int fd = attempts_[attempt]->Release();
  attempts_.clear();
  OnDone done = std::move(on_done_);  // it may destroy us
  std::move(done)({.fd = fd, .index = attempt});
}

}  // namespace tlsbridge
