#include "router/service/signals.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <initializer_list>
#include <utility>

#include "absl/status/status.h"

namespace tlsbridge {
namespace {

sigset_t SetOf(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

sigset_t Taken() { return SetOf({SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}); }

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
  std::unique_ptr<Signals> created(new Signals(loop, std::move(on_signal)));
  const sigset_t signals = Taken();
  created->signals_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (created->signals_fd_ < 0) return absl::ErrnoToStatus(errno, "cannot receive signals");
  created->end_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (created->end_fd_ < 0) return absl::ErrnoToStatus(errno, "cannot create an eventfd");
  auto thread = Thread::Start("signals", [self = created.get()] { self->Run(); });
  if (!thread.ok()) return thread.status();
  created->thread_ = *std::move(thread);
  return created;
}

Signals::Signals(EventLoop* loop, absl::AnyInvocable<void(int)> on_signal)
    : loop_(loop),
      on_signal_(std::make_shared<absl::AnyInvocable<void(int)>>(std::move(on_signal))) {}

Signals::~Signals() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(end_fd_, &one, sizeof(one));
  thread_.Join();
  *on_signal_ = nullptr;
  for (const int fd : {signals_fd_, end_fd_}) {
    if (fd >= 0) close(fd);
  }
}

// ---- The thread.

void Signals::Run() {
  pollfd readable[] = {{signals_fd_, POLLIN, 0}, {end_fd_, POLLIN, 0}};
  while (true) {
    if (poll(readable, 2, /*timeout=*/-1) < 0) continue;  // a debugger came
    if (readable[1].revents != 0) return;
    signalfd_siginfo info;
    while (read(signals_fd_, &info, sizeof(info)) == sizeof(info)) {
      loop_->Post([on_signal = on_signal_, signal = static_cast<int>(info.ssi_signo)] {
        if (*on_signal) (*on_signal)(signal);
      });
    }
  }
}

}  // namespace tlsbridge
