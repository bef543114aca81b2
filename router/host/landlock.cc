#include "router/host/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/status/status.h"

namespace tlsbridge {
namespace {

// ---- Of kernels newer than this system's headers.

constexpr uint64_t kRefer = uint64_t{1} << 13;           // version 2
constexpr uint64_t kTruncate = uint64_t{1} << 14;        // 3
constexpr uint64_t kDeviceControl = uint64_t{1} << 15;   // 5
constexpr uint64_t kSignalsToOthers = uint64_t{1} << 1;  // 6: LANDLOCK_SCOPE_SIGNAL

struct RulesetAttributes {
  uint64_t files;
  uint64_t network;  // 4
  uint64_t scoped;   // 6
};

constexpr uint64_t kReading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWriting = LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
// Of these rights there are some that a file can have.
constexpr uint64_t kOfFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                              LANDLOCK_ACCESS_FS_READ_FILE | kTruncate | kDeviceControl;

uint64_t AllFileRights(int version) {
  uint64_t rights = (uint64_t{1} << 13) - 1;  // version 1 has 13
  if (version >= 2) rights |= kRefer;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kDeviceControl;
  return rights;
}

uint64_t RightsFor(Landlock::Use use) {
  switch (use) {
    case Landlock::Use::kRead:
      return kReading;
    case Landlock::Use::kReadWrite:
      return kReading | kWriting;
    case Landlock::Use::kSockets:
      return LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
    case Landlock::Use::kWriteFiles:
      return LANDLOCK_ACCESS_FS_MAKE_REG | kWriting;
    case Landlock::Use::kExecute:
      return kReading | LANDLOCK_ACCESS_FS_EXECUTE;
  }
  return 0;
}

}  // namespace

int Landlock::KernelVersion() {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

absl::StatusOr<std::unique_ptr<Landlock>> Landlock::Create() {
  const int version = KernelVersion();
  RulesetAttributes attributes = {};
  attributes.files = AllFileRights(version);
  size_t size = sizeof(uint64_t);
  if (version >= 6) {
    attributes.scoped = kSignalsToOthers;
    size = sizeof(attributes);
  }
  const long fd = syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "landlock_create_ruleset");
  return std::unique_ptr<Landlock>(new Landlock(version, static_cast<int>(fd)));
}

Landlock::~Landlock() { close(fd_); }

int Landlock::Allow(const std::string& path, Use use) const {
  const int target = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (target < 0) return errno;
  struct stat info;
  uint64_t rights = RightsFor(use) & AllFileRights(version_);
  if (fstat(target, &info) == 0 && !S_ISDIR(info.st_mode)) rights &= kOfFiles;
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = rights;
  rule.parent_fd = target;
  const long result =
      rights == 0 ? 0 : syscall(SYS_landlock_add_rule, fd_, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  const int error = result < 0 ? errno : 0;
  close(target);
  return error;
}

int Landlock::Restrict() const {
  return syscall(SYS_landlock_restrict_self, fd_, 0) == 0 ? 0 : errno;
}

}  // namespace tlsbridge
