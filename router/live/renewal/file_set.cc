#include "router/live/renewal/file_set.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace tlsbridge {

uint64_t FingerprintOf(absl::Span<const std::string> paths) {
  uint64_t fingerprint = 0;
  for (const std::string& path : paths) {
    struct stat info = {};
    const bool there = stat(path.c_str(), &info) == 0;
    // The change time tells of a rename as well, the inode of a symbolic link that leads elsewhere.
    fingerprint = absl::HashOf(fingerprint, there, info.st_dev, info.st_ino, info.st_size,
                               info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec,
                               info.st_ctim.tv_nsec);
  }
  return fingerprint;
}

bool ComeOnce(absl::Span<const std::string> paths) {
  return std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
    struct stat info = {};
    return stat(path.c_str(), &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode));
  });
}

uint64_t DigestOf(absl::Span<const std::string> paths) {
  uint64_t digest = 0;
  for (const std::string& path : paths) {
    struct stat info = {};
    const bool regular = stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
    if (!regular) {
      digest = absl::HashOf(digest, FingerprintOf({path}));
      continue;
    }
    // What cannot be read says so when it is read in earnest. It may be a private key: nothing of
    // it stays behind.
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    char bytes[16 * 1024];
    ssize_t n = 0;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
      digest = absl::HashOf(digest, absl::string_view(bytes, static_cast<size_t>(n)));
    }
    explicit_bzero(bytes, sizeof(bytes));
    close(fd);
  }
  return digest;
}

}  // namespace tlsbridge
