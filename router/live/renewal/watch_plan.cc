#include "router/live/renewal/watch_plan.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tlsbridge {
namespace {

constexpr int kMostLinks = 40;  // as many as Linux follows (path_resolution(7))

std::deque<std::string> Split(absl::string_view path) {
  return absl::StrSplit(path, '/', absl::SkipEmpty());
}

std::string Join(const std::string& folder, const std::string& name) {
  return absl::StrCat(folder == "/" ? "" : folder, "/", name);
}

std::optional<std::string> LinkTarget(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = readlink(path.c_str(), target, sizeof(target));
  if (length <= 0) return std::nullopt;
  return std::string(target, static_cast<size_t>(length));
}

std::string WorkingFolder() {
  char folder[PATH_MAX];
  return std::string(getcwd(folder, sizeof(folder)) == nullptr ? "" : folder);
}

void AddPath(const std::string& path, const std::string& working_folder, WatchPlan* plan) {
  std::string folder = "/";
  std::deque<std::string> rest =
      Split(path.front() == '/' ? path : absl::StrCat(working_folder, "/", path));
  int links = 0;
  while (!rest.empty()) {
    const std::string name = rest.front();
    rest.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      folder = FolderOf(folder);
      continue;
    }
    const auto target = LinkTarget(Join(folder, name));
    if (target.has_value() || rest.empty()) (*plan)[folder].insert(name);
    if (!target.has_value()) {
      folder = Join(folder, name);
      continue;
    }
    if (++links > kMostLinks) return;
    if (target->front() == '/') folder.resize(1);
    const std::deque<std::string> more = Split(*target);
    rest.insert(rest.begin(), more.begin(), more.end());
  }
}

}  // namespace

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, std::max<size_t>(slash, 1));
}

WatchPlan PlanWatches(absl::Span<const std::string> paths) {
  const std::string working_folder = WorkingFolder();
  WatchPlan plan;
  for (const std::string& path : paths) {
    if (!path.empty()) AddPath(path, working_folder, &plan);
  }
  return plan;
}

}  // namespace tlsbridge
