#include "router/log/stderr_sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace tlsbridge {
namespace {

constexpr int kPatienceMilliseconds = 1000;

// What a pipe or a socket takes without blocking once poll() has said that it is writable. The
// descriptor is shared with others, who may rely on its being blocking.
constexpr size_t kChunkBytes = PIPE_BUF;

}  // namespace

StderrSink::StderrSink() : stop_fd_(eventfd(0, EFD_CLOEXEC)) {}

StderrSink::~StderrSink() {
  if (stop_fd_ >= 0) close(stop_fd_);
}

void StderrSink::Stop() { eventfd_write(stop_fd_, 1); }

void StderrSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  Write({line.data(), line.size()});
}

void StderrSink::Write(std::string_view text) {
  while (!text.empty() && WaitForReader()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), std::min(text.size(), kChunkBytes));
    if (n < 0 && errno != EINTR && errno != EAGAIN) return;
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
}

bool StderrSink::WaitForReader() {
  while (!given_up_) {
    pollfd fds[] = {{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0},
                    {.fd = stopping_ ? -1 : stop_fd_, .events = POLLIN, .revents = 0}};
    const int ready = poll(fds, 2, stopping_ ? kPatienceMilliseconds : -1);
    if (fds[0].revents != 0) return true;
    if (fds[1].revents != 0) stopping_ = true;
    given_up_ = ready == 0;
  }
  return false;
}

}  // namespace tlsbridge
