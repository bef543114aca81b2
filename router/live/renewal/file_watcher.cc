#include "router/live/renewal/file_watcher.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

constexpr uint32_t kOfNames =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB;
// The folder itself has gone, or events were lost.
constexpr uint32_t kOfAll = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_Q_OVERFLOW;
constexpr uint32_t kOfFolder = IN_DELETE_SELF | IN_MOVE_SELF;

}  // namespace

FileWatcher::FileWatcher(EventLoop* loop, absl::AnyInvocable<void()> on_change)
    : loop_(loop),
      on_change_(std::move(on_change)),
      fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      settling_(
          loop, [this] { Notify(); }, Timer::Of::kService),
      poll_(
          loop, [this] { Notify(); }, Timer::Of::kService) {
  poll_.ArmAfter(kPollInterval);
  if (fd_ < 0) {
    TellOfTrouble("inotify", errno);
  } else {
    readable_ = std::make_unique<FdEvent>(loop, fd_, [this] { OnReadable(); });
    if (const int error = readable_->Enable(); error != 0) TellOfTrouble("inotify", error);
  }
}

FileWatcher::~FileWatcher() {
  readable_.reset();
  if (fd_ >= 0) close(fd_);
}

void FileWatcher::Watch(const WatchPlan& plan) {
  if (fd_ < 0) return;
  std::map<int, std::set<std::string>> names;
  for (const auto& [folder, of_folder] : plan) {
    // The same folder has the same watch as before: no event is lost on the way.
    const int watch = inotify_add_watch(fd_, folder.c_str(), kOfNames | kOfFolder | IN_ONLYDIR);
    if (watch < 0) {
      // One that is missing will come with a link or a folder that is watched, or is polled for.
      if (errno != ENOENT && errno != ENOTDIR) TellOfTrouble(folder, errno);
      continue;
    }
    names[watch].insert(of_folder.begin(), of_folder.end());
  }
  for (const auto& [watch, of_folder] : names_) {
    if (names.count(watch) == 0) inotify_rm_watch(fd_, watch);
  }
  names_ = std::move(names);
}

void FileWatcher::OnReadable() {
  // One turn takes what is there now, and no more.
  alignas(inotify_event) char buffer[16 * 1024];
  const ssize_t length = read(fd_, buffer, sizeof(buffer));
  bool matters = false;
  for (ssize_t at = 0; at < length;) {
    inotify_event event;
    memcpy(&event, buffer + at, sizeof(event));
    const char* const name = buffer + at + sizeof(event);
    at += static_cast<ssize_t>(sizeof(event) + event.len);
    if ((event.mask & kOfAll) != 0) {
      matters = true;
    } else if (const auto it = names_.find(event.wd); it != names_.end() && event.len > 0) {
      matters = matters || it->second.count(name) > 0;
    }
  }
  if (matters) Settle();
}

void FileWatcher::Settle() {
  if (!settling_.armed()) latest_ = loop_->now() + kLongestSettling;
  settling_.ArmAt(std::min(loop_->now() + kSettling, latest_));
}

void FileWatcher::Notify() {
  settling_.Cancel();
  poll_.ArmAfter(kPollInterval);
  on_change_();
}

void FileWatcher::TellOfTrouble(const std::string& what, int error) {
  if (std::exchange(trouble_told_, true)) return;
  LogEvent(LogLevel::kWarning, "file_watch_limited")
      .Text("message",
            absl::StrCat(what, ": cannot be watched: ", strerror(error),
                         "; changes are noticed within ", absl::FormatDuration(kPollInterval)));
}

}  // namespace tlsbridge
