#include "tools/tlsbridge/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

// One byte more than the parser takes, so that it is the one to refuse.
constexpr size_t kMostBytes = (size_t{1} << 20) + 1;

bool ReadAll(const std::string& path, std::string* content) {
  // It may come through a pipe, whose writer is waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  absl::Cleanup close_fd = [fd] { close(fd); };
  char buffer[16384];
  while (content->size() < kMostBytes) {
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n == 0) return true;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    content->append(buffer, static_cast<size_t>(n));
  }
  return true;
}

std::optional<std::string> EnvironmentVariable(absl::string_view name) {
  const char* value = getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace

ParsedConfig ReadConfigFile(const std::string& path) {
  std::string text;
  if (!ReadAll(path, &text)) {
    ParsedConfig unread;
    unread.problems.push_back({path, 1, 1, "", absl::StrCat("cannot be read: ", strerror(errno))});
    return unread;
  }
  return ParseConfig(text, path, EnvironmentVariable);
}

Flag ConfigFlag() {
  return {"config", "The configuration file, in YAML.", "", Flag::Kind::kValue, /*is_file=*/true};
}

}  // namespace tlsbridge
