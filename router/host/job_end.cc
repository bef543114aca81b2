#include "router/host/job_end.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "bridge/event/watch_error.h"

namespace tlsbridge {
namespace {

// Of wait(2), whose name for it <sys/wait.h> of this system lacks.
constexpr auto kByPidfd = static_cast<idtype_t>(3);

int OpenProcess(pid_t process) { return static_cast<int>(syscall(SYS_pidfd_open, process, 0)); }

int Connect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

absl::StatusOr<JobEnd::What> JobEnd::Parse(absl::string_view text) {
  What what;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "idle:")) {
    if (absl::ParseDuration(rest, &what.idle) && what.idle >= absl::Milliseconds(100) &&
        what.idle < absl::InfiniteDuration()) {
      return what;
    }
  } else if (absl::ConsumePrefix(&rest, "unix:")) {
    what.listener = std::string(rest);
    if (absl::StartsWith(rest, "/")) return what;
  } else if (absl::SimpleAtoi(rest, &what.process) && what.process > 0) {
    return what;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--exit-with: '", text,
                   "' is not allowed; use the number of a process, unix:/PATH, or idle: and a time "
                   "of 100ms or more, such as idle:30s"));
}

absl::StatusOr<std::unique_ptr<JobEnd>> JobEnd::Watch(
    EventLoop* loop, const What& what, absl::AnyInvocable<Use()> ask,
    absl::AnyInvocable<void(const std::string&)> on_end) {
  std::unique_ptr<JobEnd> job(new JobEnd(loop, what, std::move(ask), std::move(on_end)));
  if (absl::Status status = job->Open(); !status.ok()) return status;
  return job;
}

JobEnd::JobEnd(EventLoop* loop, What what, absl::AnyInvocable<Use()> ask,
               absl::AnyInvocable<void(const std::string&)> on_end)
    : loop_(loop),
      what_(std::move(what)),
      ask_(std::move(ask)),
      on_end_(std::move(on_end)),
      idle_since_(loop->now()),
      timer_(
          loop, [this] { Look(); }, Timer::Of::kService) {}

JobEnd::~JobEnd() {
  readable_.reset();
  if (fd_ >= 0) close(fd_);
}

absl::Status JobEnd::Open() {
  if (what_.idle > absl::ZeroDuration()) {
    Look();
    return absl::OkStatus();
  }
  fd_ = what_.process > 0 ? OpenProcess(what_.process) : Connect(what_.listener);
  if (fd_ < 0) {
    return absl::InvalidArgumentError(
        what_.process > 0
            ? absl::StrCat("--exit-with: no process ", what_.process, " to wait for: ",
                           strerror(errno))
            : absl::StrCat("--exit-with: nobody to wait for at unix:", what_.listener, ": ",
                           strerror(errno)));
  }
  readable_ = std::make_unique<FdEvent>(loop_, fd_, [this] { OnReadable(); });
  if (const int error = readable_->Enable(); error != 0) return WatchError("--exit-with", error);
  return absl::OkStatus();
}

void JobEnd::OnReadable() {
  if (what_.process == 0) {
    char dropped[4096];
    const ssize_t n = recv(fd_, dropped, sizeof(dropped), MSG_DONTWAIT);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return;
    return End(absl::StrCat("the connection to unix:", what_.listener, " has ended"));
  }
  siginfo_t info = {};
  // Only a parent is told.
  if (waitid(kByPidfd, static_cast<id_t>(fd_), &info, WEXITED | WNOHANG) != 0 ||
      info.si_pid == 0) {
    return End(absl::StrCat("process ", what_.process, " has ended"));
  }
  exit_code_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  End(absl::StrCat("process ", what_.process, " has ended with exit code ", exit_code_));
}

// Each that has come since is seen by the count, however short it was.
void JobEnd::Look() {
  const Use use = ask_();
  const bool came = std::exchange(ever_, use.ever) != use.ever;
  const bool was_open = std::exchange(open_, use.open) > 0;
  if (use.open > 0 || was_open || came) idle_since_ = loop_->now();
  const absl::Duration left = what_.idle - (loop_->now() - idle_since_);
  if (left <= absl::ZeroDuration()) {
    return End(absl::StrCat("no connection has been open for ", absl::FormatDuration(what_.idle)));
  }
  timer_.ArmAfter(std::clamp(left, absl::Milliseconds(10), absl::Seconds(1)));
}

void JobEnd::End(const std::string& line) {
  if (readable_ != nullptr) readable_->Disable();
  timer_.Cancel();
  on_end_(line);
}

}  // namespace tlsbridge
