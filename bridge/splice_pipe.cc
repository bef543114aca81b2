#include "bridge/splice_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "tls/check.h"

namespace tlsbridge {
namespace {

// A pipe's size is also how many packets it holds, one a page; more than the default of 16, so that
// small ones fill a turn, too.
constexpr int kPipeBytes = 64 * 4096;

constexpr unsigned kFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

bool WouldBlock(int error) { return error == EAGAIN || error == EINTR; }

// Says nothing about the sockets.
bool IsUnsupported(int error) { return error == EINVAL || error == ENOSYS || error == EPERM; }

}  // namespace

SplicePipe::~SplicePipe() {
  if (read_fd_ < 0) return;
  close(read_fd_);
  close(write_fd_);
}

bool SplicePipe::Open() {
  if (read_fd_ >= 0) return true;
  int fds[2];
  if (unusable_ || pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return false;
  read_fd_ = fds[0];
  write_fd_ = fds[1];
  fcntl(write_fd_, F_SETPIPE_SZ, kPipeBytes);  // where a user may not have so much, it stays small
  return true;
}

SplicePipe::Moved SplicePipe::Move(int from, int to, size_t limit, std::vector<uint8_t>* room) {
  Moved moved;
  limit = std::min(limit, room->size());
  if (unusable_ || !Open()) return moved;
  const ssize_t n = splice(from, nullptr, write_fd_, nullptr, limit, kFlags);
  if (n < 0) {
    unusable_ = IsUnsupported(errno);
    if (unusable_ || WouldBlock(errno) || errno == ENOMEM) return moved;
    moved.outcome = ReadOutcome::kFailed;
    moved.error = errno;
    return moved;
  }
  if (n == 0) {
    moved.outcome = ReadOutcome::kEnded;
    return moved;
  }
  moved.bytes = static_cast<size_t>(n);
  if (moved.bytes == limit) moved.outcome = ReadOutcome::kMore;

  const ssize_t given = splice(read_fd_, nullptr, to, nullptr, moved.bytes, kFlags);
  if (given < 0 && IsUnsupported(errno)) {
    unusable_ = true;
  } else if (given < 0 && !WouldBlock(errno)) {
    moved.write_error = errno;
  }
  size_t left = moved.bytes - static_cast<size_t>(std::max<ssize_t>(given, 0));
  moved_bytes_ += moved.bytes - left;
  uint8_t* end = room->data();
  while (left > 0) {
    const ssize_t back = read(read_fd_, end, left);
    Check(back > 0, "a pipe has lost what was put into it");
    end += back;
    left -= static_cast<size_t>(back);
  }
  moved.rest = absl::MakeConstSpan(room->data(), static_cast<size_t>(end - room->data()));
  return moved;
}

}  // namespace tlsbridge
