// Tells when files may have changed: at once by inotify, and every half minute for what inotify
// does not see (network file systems, too many watches). Whether they have changed is for the
// receiver to find out.
//
// Thread: the loop's. Owner: the router; the loop outlives it. Failure: where the system gives no
// watch it is told once, and the half minutes remain.
#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "router/live/renewal/watch_plan.h"

namespace tlsbridge {

class FileWatcher {
 public:
  // Who replaces several files does so in several steps: they are given this long after the last,
  static constexpr absl::Duration kSettling = absl::Milliseconds(100);
  // but not longer than this after the first.
  static constexpr absl::Duration kLongestSettling = absl::Seconds(2);
  static constexpr absl::Duration kPollInterval = absl::Seconds(30);

  FileWatcher(EventLoop* loop, absl::AnyInvocable<void()> on_change);
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  // What to watch from now on, instead of all before.
  void Watch(const WatchPlan& plan);

 private:
  void OnReadable();
  void Settle();
  void Notify();
  void TellOfTrouble(const std::string& what, int error);

  EventLoop* const loop_;  // Not owned.
  absl::AnyInvocable<void()> on_change_;
  const int fd_;
  std::map<int, std::set<std::string>> names_;  // that matter, by inotify's watch
  bool trouble_told_ = false;
  absl::Time latest_;  // while it settles
  Timer settling_;
  Timer poll_;
  std::unique_ptr<FdEvent> readable_;  // null without inotify
};

}  // namespace tlsbridge
