#include "tls/pem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge::tls {
namespace {

absl::Status CannotRead(const std::string& path, int error) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read: ", strerror(error)));
}

}  // namespace

absl::StatusOr<std::string> ReadPemFile(const std::string& path) {
  // Without O_NONBLOCK, opening a named pipe would wait for ever for its writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotRead(path, errno);
  absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info;
  if (fstat(fd, &info) != 0) return CannotRead(path, errno);
  if (S_ISDIR(info.st_mode)) return CannotRead(path, EISDIR);

  // Sized once, so that no copy of a key is left in memory freed by growth.
  std::string text(kMaxPemFileBytes + 1, '\0');
  size_t length = 0;
  while (length < text.size()) {
    const ssize_t n = read(fd, text.data() + length, text.size() - length);
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CannotRead(path, errno);
    length += static_cast<size_t>(n);
  }
  if (length > kMaxPemFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is larger than ", kMaxPemFileBytes, " bytes; is it a PEM file?"));
  }
  text.resize(length);
  return text;
}

}  // namespace tlsbridge::tls
