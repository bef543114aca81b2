#include "router/backends/health_probe.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "bridge/local_error.h"

namespace tlsbridge {

HealthProbe::HealthProbe(EventLoop* loop, LiveCounters* live,
                         const std::vector<SocketAddress>& addresses,
                         std::unique_ptr<ProbeTalk> talk, absl::Duration timeout, OnDone on_done)
    : loop_(loop),
      live_(live),
      talk_(std::move(talk)),
      on_done_(std::move(on_done)),
      dialer_(loop, live, addresses, TcpOptions(),
              [this](const RaceDialer::Result& result) { OnDialled(result); }),
      timeout_(
          loop, [this] { Finish(absl::DeadlineExceededError("no answer in time")); },
          Timer::Of::kService) {
  timeout_.ArmAfter(timeout);
}

HealthProbe::~HealthProbe() {
  readable_.reset();
  writable_.reset();
  if (fd_ >= 0) close(fd_);
}

void HealthProbe::OnDialled(const RaceDialer::Result& result) {
  if (result.fd < 0 && IsLocalError(result.error)) return FinishUnmade(result.error);
  if (result.fd < 0) return Finish(absl::ErrnoToStatus(result.error, "cannot connect"));
  fd_ = result.fd;
  live_socket_ = std::make_unique<LiveCount>(&live_->sockets);
  readable_ = std::make_unique<FdEvent>(loop_, fd_, [this] { OnReadable(); });
  writable_ = std::make_unique<FdEvent>(
      loop_, fd_, [this] { OnWritable(); }, FdEvent::For::kWriting);
  if (const int error = readable_->Enable(); error != 0) return FinishUnmade(error);
  Take(talk_->Begin());
}

// The last statement of its callers: it may end us.
void HealthProbe::Take(const ProbeStep& step) {
  output_ += step.output;
  const int error = Flush();
  switch (step.result) {
    case ProbeStep::Result::kFailed:
      return Finish(absl::UnavailableError(step.why));
    case ProbeStep::Result::kPassed:
      passed_ = true;
      readable_->Disable();
      break;
    case ProbeStep::Result::kMore:
      break;
  }
  if (IsLocalError(error)) return FinishUnmade(error);
  if (error != 0) return Finish(absl::ErrnoToStatus(error, "cannot send"));
  if (passed_ && output_.empty()) return Finish(absl::OkStatus());
}

int HealthProbe::Flush() {
  while (!output_.empty()) {
    const ssize_t n = send(fd_, output_.data(), output_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      return writable_->Enable();
    }
    if (n < 0) return errno;
    output_.erase(0, n);
  }
  writable_->Disable();
  return 0;
}

void HealthProbe::OnWritable() { Take({}); }

void HealthProbe::OnReadable() {
  uint8_t buffer[4096];
  const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
  if (n > 0) return Take(talk_->Receive({buffer, static_cast<size_t>(n)}));
  if (n == 0) return Take(talk_->ReceiveEnd());
  if (errno == EAGAIN || errno == EINTR) return;
  Finish(absl::ErrnoToStatus(errno, "cannot receive"));
}

void HealthProbe::FinishUnmade(int error) {
  Finish(absl::CancelledError(absl::ErrnoToStatus(error, "cannot be made").message()));
}

void HealthProbe::Finish(const absl::Status& status) {
  timeout_.Cancel();
  readable_.reset();
  writable_.reset();
  live_socket_.reset();
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  OnDone done = std::move(on_done_);  // it may destroy us
  std::move(done)(status);
}

}  // namespace tlsbridge
