#include "router/service/manager_talk.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

// More than the pace, so that one that goes on in time is never late; and not much more, so that
// one that is stuck is noticed.
constexpr absl::Duration kMoreTime = absl::Seconds(15);

std::string MoreTime() {
  return absl::StrCat("EXTEND_TIMEOUT_USEC=", absl::ToInt64Microseconds(kMoreTime));
}

}  // namespace

ManagerTalk::ManagerTalk(EventLoop* loop, ServiceManager* manager, std::vector<EventLoop*> workers,
                         absl::AnyInvocable<std::string()> status)
    : loop_(loop),
      manager_(manager),
      workers_(std::move(workers)),
      status_(std::move(status)),
      timer_(
          loop, [this] { OnTimer(); }, Timer::Of::kService) {}

// "STATUS=...", and it counts as told.
std::string ManagerTalk::Status() {
  last_status_ = status_();
  return absl::StrCat("STATUS=", last_status_);
}

void ManagerTalk::Ready() {
  ready_ = true;
  if (!manager_->listens()) {
    manager_->Notify("");  // it warns, where somebody should listen
    return;
  }
  manager_->Notify(absl::StrCat("READY=1\n", Status()));
  timer_.ArmAfter(kPace);
  if (manager_->watchdog() > absl::ZeroDuration()) {
    watchdog_ = std::make_unique<Watchdog>(loop_, workers_, manager_->watchdog(),
                                           [this] { manager_->Notify("WATCHDOG=1"); });
  }
}

void ManagerTalk::OnReload(Reloads::Asked asked) {
  if (!manager_->listens() || silent_ || stopping_) return;
  if (asked == Reloads::Asked::kIsOver) {
    manager_->Notify(absl::StrCat("READY=1\n", Status()));
    return;
  }
  // systemd compares it with its own look at the same clock.
  const absl::Time now = loop_->clock().Monotonic();
  manager_->Notify(absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", absl::ToUnixMicros(now),
                                "\nSTATUS=reloading the configuration and all files"));
}

void ManagerTalk::OnPhase(Phase phase) {
  if (!manager_->listens() || silent_ || !ready_) return;
  const bool first = !std::exchange(stopping_, true);
  const absl::string_view stopping = first ? "STOPPING=1\n" : "";
  // Every phase from here on has an end of its own.
  const std::string more_time = phase == Phase::kStopped ? "" : absl::StrCat("\n", MoreTime());
  manager_->Notify(absl::StrCat(stopping, Status(), more_time));
}

void ManagerTalk::HandOver(pid_t successor) {
  manager_->Notify(absl::StrCat("MAINPID=", successor));
  silent_ = true;
  watchdog_.reset();
  timer_.Cancel();
}

void ManagerTalk::OnTimer() {
  timer_.ArmAfter(kPace);
  const std::string status = status_();
  std::string news;
  if (status != last_status_) {
    last_status_ = status;
    news = absl::StrCat("STATUS=", status);
  }
  if (stopping_) absl::StrAppend(&news, news.empty() ? "" : "\n", MoreTime());
  if (!news.empty()) manager_->Notify(news);
}

}  // namespace tlsbridge
