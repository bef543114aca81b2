#include "router/log/stderr_sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
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

StderrSink::StderrSink(Queue queue) : queue_(std::move(queue)), stop_fd_(eventfd(0, EFD_CLOEXEC)) {}

StderrSink::~StderrSink() {
  WriteWaiting();
  if (stop_fd_ >= 0) close(stop_fd_);
}

void StderrSink::Stop() { eventfd_write(stop_fd_, 1); }

void StderrSink::Append(const spdlog::details::log_msg& message) {
  line_.clear();
  formatter_->format(message, line_);
  waiting_.append(line_.data(), line_.size());
  ++waiting_lines_;
}

// Where they are missing: ahead of the next line.
void StderrSink::ReportLosses() {
  const auto tell = [this](uint64_t lines, int error) {
    const std::string text = queue_.describe_loss(lines, error);
    Append({"tlsbridge", spdlog::level::warn, spdlog::string_view_t(text.data(), text.size())});
    reports_.push_back({.ends = waiting_.size(), .lines = lines, .error = error});
  };
  const uint64_t overrun = queue_.overrun();
  if (overrun > overrun_reported_) tell(overrun - std::exchange(overrun_reported_, overrun), 0);
  if (unwritten_ > 0) tell(std::exchange(unwritten_, 0), unwritten_error_);
}

void StderrSink::sink_it_(const spdlog::details::log_msg& message) {
  if (waiting_.empty()) ReportLosses();
  Append(message);
  if (waiting_.size() < kMostWaitingBytes && queue_.more_follows()) return;
  const bool rest = waiting_lines_ < kManyLines;
  WriteWaiting();
  if (rest) Rest();
}

void StderrSink::WriteWaiting() {
  CountLosses(Write(waiting_));
  waiting_.clear();
  reports_.clear();
  waiting_lines_ = 0;
}

void StderrSink::Rest() {
  if (stopping_) return;
  pollfd stop = {.fd = stop_fd_, .events = POLLIN, .revents = 0};
  stopping_ = poll(&stop, 1, kRestMilliseconds) == 1;
}

// What was to be reported and was not is still lost, and its line is none of those that count.
void StderrSink::CountLosses(size_t written) {
  if (written == waiting_.size()) return;
  auto lines = static_cast<uint64_t>(
      std::count(waiting_.begin() + static_cast<ptrdiff_t>(written), waiting_.end(), '\n'));
  for (const LossReport& report : reports_) {
    if (report.ends <= written) continue;
    --lines;
    if (report.error == 0) {
      overrun_reported_ -= report.lines;
    } else {
      unwritten_ += report.lines;
    }
  }
  unwritten_ += lines;
  unwritten_ever_.Add(lines);
}

// Says how much of it was written.
size_t StderrSink::Write(std::string_view text) {
  const size_t size = text.size();
  bool inside_line = false;
  int error = 0;
  while (!text.empty() && error == 0 && WaitForReader()) {
    const std::string_view next = cut_ ? std::string_view("\n") : text.substr(0, ChunkOf(text));
    const ssize_t n = write(STDERR_FILENO, next.data(), next.size());
    if (n < 0) {
      if (errno != EINTR && errno != EAGAIN) error = errno;
    } else if (!std::exchange(cut_, false)) {
      inside_line = n > 0 && text[static_cast<size_t>(n) - 1] != '\n';
      text.remove_prefix(static_cast<size_t>(n));
    }
  }
  if (!text.empty()) {
    cut_ = cut_ || inside_line;
    unwritten_error_ = error;
  }
  return size - text.size();
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
