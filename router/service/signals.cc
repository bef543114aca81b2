#include "router/service/signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <initializer_list>
#include <utility>

#include "absl/status/status.h"
#include "bridge/event/watch_error.h"

namespace tlsbridge {
namespace {

sigset_t SetOf(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

sigset_t Taken() { return SetOf({SIGINT, SIGTERM, SIGHUP, SIGUSR1}); }

}  // namespace

void Signals::TakeOver() {
  const sigset_t signals = Taken();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // libevent writes with writev(), which has no MSG_NOSIGNAL
}

Signals::LetStop::LetStop() {
  const sigset_t stop = SetOf({SIGINT, SIGTERM});
  pthread_sigmask(SIG_UNBLOCK, &stop, &before_);
}

Signals::LetStop::~LetStop() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

absl::StatusOr<std::unique_ptr<Signals>> Signals::Create(EventLoop* loop,
                                                         absl::AnyInvocable<void(int)> on_signal) {
  const sigset_t signals = Taken();
  const int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot receive signals");
  std::unique_ptr<Signals> created(new Signals(loop, fd, std::move(on_signal)));
  if (const int error = created->readable_.Enable(); error != 0) {
    return WatchError("signals", error);
  }
  return created;
}

Signals::Signals(EventLoop* loop, int fd, absl::AnyInvocable<void(int)> on_signal)
    : fd_(fd), on_signal_(std::move(on_signal)), readable_(loop, fd, [this] { OnReadable(); }) {}

Signals::~Signals() {
  readable_.Disable();
  close(fd_);
}

void Signals::OnReadable() {
  signalfd_siginfo info;
  while (read(fd_, &info, sizeof(info)) == sizeof(info)) {
    on_signal_(static_cast<int>(info.ssi_signo));
  }
}

}  // namespace tlsbridge
