#include "router/limits/control_groups.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace tlsbridge {
namespace {

// Of /proc/self/cgroup and /proc/self/mountinfo; machines with many containers have some hundred.
constexpr int kMostLines = 10'000;

std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; lines.size() < kMostLines && std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::string FirstLineOf(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// A hierarchy of groups where it is mounted (proc_pid_mountinfo(5)).
struct Mount {
  std::string root;     // the group whose files are at `point`
  std::string point;    // with the tree's root in front
  bool unified;         // version 2
  std::string options;  // with the controllers, of version 1
};

// Blanks and the like are \040 there.
std::string Unescaped(absl::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    const bool escaped = text[i] == '\\' && i + 3 < text.size();
    for (size_t j = 1; escaped && j <= 3; ++j) code = code * 8 + (text[i + j] - '0');
    plain += escaped ? static_cast<char>(code) : text[i];
    if (escaped) i += 3;
  }
  return plain;
}

std::vector<Mount> MountsOf(const std::string& root) {
  std::vector<Mount> mounts;
  for (const std::string& line : LinesOf(root + "/proc/self/mountinfo")) {
    const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<absl::string_view> own = absl::StrSplit(halves[0], ' ');
    const std::vector<absl::string_view> of_system = absl::StrSplit(halves[1], ' ');
    if (own.size() < 5 || of_system.size() < 3) continue;
    if (of_system[0] != "cgroup" && of_system[0] != "cgroup2") continue;
    mounts.push_back({Unescaped(own[3]), root + Unescaped(own[4]), of_system[0] == "cgroup2",
                      std::string(of_system[2])});
  }
  return mounts;
}

bool Lists(absl::string_view list, absl::string_view word) {
  return absl::StrContains(absl::StrCat(",", list, ","), absl::StrCat(",", word, ","));
}

// The group below the mount, "" for the one that is mounted. What is outside is not seen from here:
// then the one that is mounted is the next.
std::string Below(const Mount& mount, absl::string_view group) {
  if (mount.root != "/" && !absl::ConsumePrefix(&group, mount.root)) return "";
  const bool outside = !absl::StartsWith(group, "/") || absl::StrContains(group, "/..");
  return outside || group == "/" ? "" : std::string(group);
}

// The folders of the group of `controller` and of all that it is in, the innermost first.
std::vector<std::string> FoldersOf(const std::vector<std::string>& groups,
                                   const std::vector<Mount>& mounts, bool unified,
                                   absl::string_view controller) {
  for (const std::string& line : groups) {
    // "4:memory:/system.slice/tlsbridge.service", "0::/system.slice/tlsbridge.service"
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (unified ? parts[0] != "0" || !parts[1].empty() : !Lists(parts[1], controller)) continue;
    for (const Mount& mount : mounts) {
      if (mount.unified != unified || (!unified && !Lists(mount.options, controller))) continue;
      std::vector<std::string> folders;
      for (std::string below = Below(mount, parts[2]);; below.resize(below.rfind('/'))) {
        folders.push_back(mount.point + below);
        if (below.empty()) return folders;
      }
    }
  }
  return {};
}

void LimitCores(int cores, ControlGroupLimits* limits) {
  if (cores > 0) limits->cores = limits->cores == 0 ? cores : std::min(limits->cores, cores);
}

void LimitMemory(absl::string_view text, ControlGroupLimits* limits) {
  int64_t bytes;
  if (!absl::SimpleAtoi(text, &bytes) || bytes <= 0) return;  // "max"
  limits->memory_bytes = std::min(limits->memory_bytes, bytes);
}

}  // namespace

int CoresOfQuota(absl::string_view text) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(absl::StripAsciiWhitespace(text), ' ');
  int64_t quota, period;
  if (words.size() != 2 || !absl::SimpleAtoi(words[0], &quota) ||
      !absl::SimpleAtoi(words[1], &period) || quota <= 0 || period <= 0) {
    return 0;
  }
  const int64_t cores = quota / period + (quota % period == 0 ? 0 : 1);
  return static_cast<int>(std::min<int64_t>(cores, CPU_SETSIZE));
}

ControlGroupLimits ReadControlGroupLimits(const std::string& root) {
  const std::vector<std::string> groups = LinesOf(root + "/proc/self/cgroup");
  const std::vector<Mount> mounts = MountsOf(root);
  ControlGroupLimits limits;
  // Machines with both versions have each controller in one of them.
  for (const std::string& folder : FoldersOf(groups, mounts, /*unified=*/true, "")) {
    LimitCores(CoresOfQuota(FirstLineOf(folder + "/cpu.max")), &limits);
    LimitMemory(FirstLineOf(folder + "/memory.max"), &limits);
  }
  for (const std::string& folder : FoldersOf(groups, mounts, /*unified=*/false, "cpu")) {
    LimitCores(CoresOfQuota(absl::StrCat(FirstLineOf(folder + "/cpu.cfs_quota_us"), " ",
                                         FirstLineOf(folder + "/cpu.cfs_period_us"))),
               &limits);
  }
  for (const std::string& folder : FoldersOf(groups, mounts, /*unified=*/false, "memory")) {
    LimitMemory(FirstLineOf(folder + "/memory.limit_in_bytes"), &limits);
  }
  return limits;
}

}  // namespace tlsbridge
