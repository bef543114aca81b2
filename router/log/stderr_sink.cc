#include "router/log/stderr_sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace tlsbridge {
namespace {

constexpr int kPatienceMilliseconds = 1000;

// What a pipe or a socket takes without blocking once poll() has said that it is writable. The
// descriptor is shared with others, who may rely on its being blocking. Nobody else's line comes
// between.
constexpr size_t kChunkBytes = PIPE_BUF;

// Short enough that no burst fills the queue meanwhile.
constexpr int kRestMilliseconds = 2;
// One that has so many to write at once is busy anyway.
constexpr int kManyLines = 16;
constexpr size_t kMostWaitingBytes = 8 * kChunkBytes;

// The whole lines that fit into a chunk; of a longer line, a chunk.
size_t ChunkOf(std::string_view text) {
  if (text.size() <= kChunkBytes) return text.size();
  const size_t end = text.rfind('\n', kChunkBytes - 1);
  return end == std::string_view::npos ? kChunkBytes : end + 1;
}

}  // namespace

StderrSink::StderrSink(std::function<bool()> more_follows)
    : more_follows_(std::move(more_follows)), stop_fd_(eventfd(0, EFD_CLOEXEC)) {}

StderrSink::~StderrSink() {
  WriteWaiting();
  if (stop_fd_ >= 0) close(stop_fd_);
}

void StderrSink::Stop() { eventfd_write(stop_fd_, 1); }

void StderrSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  waiting_.append(line.data(), line.size());
  ++waiting_lines_;
  if (waiting_.size() < kMostWaitingBytes && more_follows_()) return;
  const bool rest = waiting_lines_ < kManyLines;
  WriteWaiting();
  if (rest) Rest();
}

void StderrSink::WriteWaiting() {
  Write(waiting_);
  waiting_.clear();
  waiting_lines_ = 0;
}

void StderrSink::Rest() {
  if (stopping_) return;
  pollfd stop = {.fd = stop_fd_, .events = POLLIN, .revents = 0};
  stopping_ = poll(&stop, 1, kRestMilliseconds) == 1;
}

void StderrSink::Write(std::string_view text) {
  while (!text.empty() && WaitForReader()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), ChunkOf(text));
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
