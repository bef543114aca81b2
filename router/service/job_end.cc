#include "router/service/job_end.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "bridge/event/watch_error.h"

namespace tlsbridge {
namespace {

// P_PIDFD, which <sys/wait.h> of this system lacks.
constexpr auto kByPidfd = static_cast<idtype_t>(3);
constexpr absl::Duration kTryAgain = absl::Seconds(1);
constexpr size_t kLongestLine = 64;  // a number has less
constexpr absl::Duration kShortestIdle = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<JobEnd::What> JobEnd::Parse(absl::string_view text) {
  What what;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "idle:")) {
    if (absl::ParseDuration(std::string(rest), &what.idle) && what.idle >= kShortestIdle &&
        what.idle < absl::InfiniteDuration()) {
      return what;
    }
  } else if (absl::ConsumePrefix(&rest, "unix:")) {
    what.listener = std::string(rest);
    if (absl::StartsWith(rest, "/") && rest.size() < sizeof(sockaddr_un::sun_path)) return what;
  } else if (absl::SimpleAtoi(rest, &what.process) && what.process > 0) {
    return what;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--exit-with: invalid value '", text,
                   "': expected a process ID, unix:/PATH, or idle:DURATION (at least 100ms)"));
}

absl::StatusOr<std::unique_ptr<JobEnd>> JobEnd::Watch(
    EventLoop* loop, const What& what, absl::AnyInvocable<Use()> use,
    absl::AnyInvocable<void(const std::string&)> on_end) {
  std::unique_ptr<JobEnd> job(new JobEnd(loop, what, std::move(use), std::move(on_end)));
  if (what.process == 0) {
    job->OnTimer();
  } else if (absl::Status status = job->OpenProcess(); !status.ok()) {
    return status;
  }
  return job;
}

JobEnd::JobEnd(EventLoop* loop, What what, absl::AnyInvocable<Use()> use,
               absl::AnyInvocable<void(const std::string&)> on_end)
    : loop_(loop),
      what_(std::move(what)),
      use_(std::move(use)),
      on_end_(std::move(on_end)),
      idle_since_(loop->now()),
      timer_(
          loop, [this] { OnTimer(); }, Timer::Of::kService) {}

JobEnd::~JobEnd() {
  readable_.reset();
  if (fd_ >= 0) close(fd_);
}

absl::Status JobEnd::OpenProcess() {
  fd_ = static_cast<int>(syscall(SYS_pidfd_open, what_.process, 0));
  if (fd_ < 0) {
    return absl::InvalidArgumentError(absl::StrCat("--exit-with: cannot wait for process ",
                                                   what_.process, ": ", strerror(errno)));
  }
  return WatchFd();
}

absl::Status JobEnd::WatchFd() {
  readable_ = std::make_unique<FdEvent>(loop_, fd_, [this] { OnReadable(); });
  if (const int error = readable_->Enable(); error != 0) return WatchError("--exit-with", error);
  return absl::OkStatus();
}

void JobEnd::OnTimer() {
  if (what_.listener.empty()) {
    CheckIdle();
  } else {
    Connect();
  }
}

// Beside a sidecar the job may begin later than we do.
void JobEnd::Connect() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, what_.listener.data(), what_.listener.size());
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ >= 0 && connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      WatchFd().ok()) {
    return;
  }
  readable_.reset();
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  timer_.ArmAfter(kTryAgain);
}

// One that comes and goes between two looks is seen by the count.
void JobEnd::CheckIdle() {
  const Use now = use_();
  const Use before = std::exchange(before_, now);
  if (now.open > 0 || before.open > 0 || now.ever != before.ever) idle_since_ = loop_->now();
  const absl::Duration left = what_.idle - (loop_->now() - idle_since_);
  if (left <= absl::ZeroDuration()) {
    return End(absl::StrCat("no connection was open for ", absl::FormatDuration(what_.idle)));
  }
  timer_.ArmAfter(std::clamp(left, absl::Milliseconds(10), absl::Seconds(1)));
}

void JobEnd::OnReadable() {
  if (what_.process > 0) {
    ReapProcess();
  } else {
    ReadListener();
  }
}

void JobEnd::ReadListener() {
  char bytes[4096];
  const ssize_t n = recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  for (ssize_t i = 0; i < n; ++i) {
    // A line that goes on after its end is another one.
    if (absl::EndsWith(last_line_, "\n")) last_line_.clear();
    if (last_line_.size() < kLongestLine) last_line_.push_back(bytes[i]);
  }
  if (n > 0) return;
  int code = -1;
  const bool said = absl::SimpleAtoi(last_line_, &code) && code >= 0 && code <= 255;
  if (said) exit_code_ = code;
  End(absl::StrCat("unix:", what_.listener, " closed the connection",
                   said ? absl::StrCat(", exit code ", code) : ""));
}

void JobEnd::ReapProcess() {
  siginfo_t info = {};
  // Only a parent is told how.
  if (waitid(kByPidfd, static_cast<id_t>(fd_), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) {
    return End(absl::StrCat("process ", what_.process, " exited; its exit code is unknown"));
  }
  exit_code_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  End(absl::StrCat("process ", what_.process, " exited, exit code ", exit_code_));
}

void JobEnd::End(const std::string& sentence) {
  if (readable_ != nullptr) readable_->Disable();
  timer_.Cancel();
  on_end_(sentence);
}

}  // namespace tlsbridge
