#include "tls/certificates/pem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/mem.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge::tls {
namespace {

absl::string_view Remedy(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "; create it, or correct the path";
    case EACCES:
    case EPERM:
      return "; let the user that runs this read it";
    default:
      return "";
  }
}

absl::Status CannotRead(const std::string& path, int error) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": cannot be read: ", strerror(error), Remedy(error)));
}

// Waits until there is something to read, or the end. False if `deadline`, a timer, comes first.
bool WaitToRead(int fd, int deadline) {
  pollfd fds[] = {{fd, POLLIN, 0}, {deadline, POLLIN, 0}};
  while (poll(fds, 2, /*timeout=*/-1) < 0 && errno == EINTR) {
  }
  return fds[0].revents != 0 || fds[1].revents == 0;
}

// Expires once, after kPipePatience.
int StartDeadline() {
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  itimerspec when = {};
  when.it_value = absl::ToTimespec(kPipePatience);
  if (timer >= 0) timerfd_settime(timer, 0, &when, nullptr);
  return timer;
}

// What a file that does not tell its size, such as a pipe, is read by at first.
constexpr size_t kLeastBytes = 4096;

// The old memory may hold a key.
void Grow(std::string* text, size_t size) {
  std::string grown(size, '\0');
  memcpy(grown.data(), text->data(), text->size());
  OPENSSL_cleanse(text->data(), text->size());
  text->swap(grown);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes, const char* kind) {
  // Without O_NONBLOCK, opening a named pipe would wait for ever for its writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotRead(path, errno);
  absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info;
  if (fstat(fd, &info) != 0) return CannotRead(path, errno);
  if (S_ISDIR(info.st_mode)) return CannotRead(path, EISDIR);
  // Without it poll() ignores the descriptor, and waits as long as it takes.
  const int deadline = S_ISREG(info.st_mode) ? -1 : StartDeadline();
  absl::Cleanup close_deadline = [deadline] {
    if (deadline >= 0) close(deadline);
  };

  // One byte more than there should be, so that the end is seen without growing.
  const auto expected = static_cast<size_t>(std::max<off_t>(info.st_size, 0));
  std::string text(std::min(std::max(expected, kLeastBytes), max_bytes) + 1, '\0');
  size_t length = 0;
  while (true) {
    if (length == text.size()) {
      if (length > max_bytes) {
        OPENSSL_cleanse(text.data(), text.size());
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": is larger than ", max_bytes, " bytes; is it ", kind, "?"));
      }
      Grow(&text, std::min(2 * length, max_bytes + 1));
    }
    if (!S_ISREG(info.st_mode) && !WaitToRead(fd, deadline)) {
      OPENSSL_cleanse(text.data(), text.size());
      return absl::DeadlineExceededError(
          absl::StrCat(path, ": is a pipe, and its writer was not done within ",
                       absl::FormatDuration(kPipePatience)));
    }
    const ssize_t n = read(fd, text.data() + length, text.size() - length);
    if (n == 0) break;
    if (n < 0 && (errno == EINTR || (errno == EAGAIN && deadline >= 0))) continue;
    if (n < 0) {
      const int error = errno;
      OPENSSL_cleanse(text.data(), text.size());
      return CannotRead(path, error);
    }
    length += static_cast<size_t>(n);
  }
  text.resize(length);
  return text;
}

}  // namespace

absl::StatusOr<std::string> ReadPemFile(const std::string& path) {
  return ReadFile(path, kMaxPemFileBytes, "a PEM file");
}

absl::StatusOr<std::string> ReadDerFile(const std::string& path) {
  return ReadFile(path, kMaxDerFileBytes, "a DER file");
}

bool AnybodyMayRead(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

}  // namespace tlsbridge::tls
