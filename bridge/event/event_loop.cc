#include "bridge/event/event_loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/string_view.h"
#include "bridge/event/hangup_watch.h"
#include "bridge/event/watch_error.h"

namespace tlsbridge {
namespace {

// How often the loop of a connection with a timer looks at the clock, whatever else happens.
constexpr absl::Duration kHeartbeat = absl::Seconds(1);
// Later than meant by this much: something may have come that is not read yet.
constexpr absl::Duration kLate = absl::Milliseconds(50);
// Later by this much is a stall. It counts as this much time, so that a loop that is overloaded,
// and is late at each turn, does not put off its deadlines for ever.
constexpr absl::Duration kStall = absl::Milliseconds(500);
constexpr absl::Duration kStallCountsAs = absl::Milliseconds(100);

// What libevent's epoll takes in one call: 32 at first, twice as many each time that this was not
// enough, in the end kMostEvents.
constexpr int kMostEvents = 4096;
constexpr int kCallsUntilMost = 8;

absl::StatusOr<EventBasePtr> MakeBase() {
  std::unique_ptr<event_config, void (*)(event_config*)> config(event_config_new(),
                                                                event_config_free);
  if (config == nullptr)
    return absl::ResourceExhaustedError("cannot create an event loop: out of memory");
  // One thread uses a base. Without libevent's list of changes to epoll: it would name descriptors
  // that have been closed meanwhile, and may be another thread's by then. What the environment says
  // of libevent (EVENT_NOEPOLL) is not for this program.
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
  // Other ways to wait cost more with each idle connection, or end at 1,024 descriptors.
  event_config_require_features(config.get(), EV_FEATURE_ET | EV_FEATURE_O1);
  errno = 0;
  EventBasePtr base(event_base_new_with_config(config.get()));
  if (base != nullptr && absl::string_view(event_base_get_method(base.get())) == "epoll") {
    return base;
  }
  if (errno != 0) return absl::ErrnoToStatus(errno, "cannot create an event loop with epoll");
  return absl::UnavailableError("cannot create an event loop: this system does not support epoll");
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create(const Clock* clock) {
  auto base = MakeBase();
  if (!base.ok()) return base.status();
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) return absl::ErrnoToStatus(errno, "cannot create an eventfd");
  std::unique_ptr<EventLoop> loop(new EventLoop(clock, *std::move(base), wake_fd));
  if (absl::Status status = loop->Begin(); !status.ok()) return status;
  auto hangups = HangupWatch::Create(loop.get());
  if (!hangups.ok()) return hangups.status();
  loop->hangups_ = *std::move(hangups);
  return loop;
}

EventLoop::EventLoop(const Clock* clock, EventBasePtr base, int wake_fd)
    : clock_(clock),
      base_(std::move(base)),
      wake_fd_(wake_fd),
      now_(clock->Monotonic()),
      awake_by_(absl::InfiniteFuture()),
      connection_timers_(now_),
      service_timers_(now_),
      alarm_(event_new(base_.get(), -1, 0, &OnAlarm, this)),
      wake_(event_new(base_.get(), wake_fd, EV_READ | EV_PERSIST, &OnWakeUp, this)) {}

absl::Status EventLoop::Begin() {
  if (alarm_ == nullptr || wake_ == nullptr) {
    return absl::ResourceExhaustedError("cannot create an event loop: out of memory");
  }
  if (event_add(wake_.get(), nullptr) == 0) return absl::OkStatus();
  return WatchError("an event loop's own wake-up", errno);
}

EventLoop::~EventLoop() {
  Sweep();
  hangups_.reset();
  wake_.reset();
  alarm_.reset();
  close(wake_fd_);
}

void EventLoop::Run() {
  // What passed before is no stall.
  now_is_stale_ = true;
  awake_by_ = absl::InfiniteFuture();
  while (!stopped_.load(std::memory_order_acquire)) Turn(/*wait=*/true);
}

void EventLoop::Stop() {
  stopped_.store(true, std::memory_order_release);
  Wake();
}

void EventLoop::Turn(bool wait) {
  const bool sleep = wait && !chore_is_left_;
  SetAlarm();
  if (sleep) awake_by_ = std::max(now(), alarm_at_);
  now_is_stale_ = true;
  event_base_loop(base_.get(), sleep ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
  now_is_stale_ = true;
  now();
  if (std::exchange(overslept_, false)) CatchUp();
  connection_timers_.Advance(now());
  service_timers_.Advance(now());
  chore_is_left_ = chore_ && chore_();
  if (connection_timers_.any_due()) connection_timers_.Advance(now());
  Sweep();
}

void EventLoop::SetAlarm() {
  if (!clock_->runs_by_itself()) return;
  constexpr absl::Time kNever = absl::InfiniteFuture();
  absl::Time next = service_timers_.NextWakeUp().value_or(kNever);
  if (const std::optional<absl::Time> of_connections = connection_timers_.NextWakeUp()) {
    next = std::min({next, *of_connections, now() + kHeartbeat});
  }
  // An alarm that is too early costs one empty turn; moving it costs as much, so it stays.
  if (next < alarm_at_) {
    alarm_at_ = next;
    const timeval delay = absl::ToTimeval(std::max(next - now(), absl::ZeroDuration()));
    event_add(alarm_.get(), &delay);
  }
}

// By when to look again, unless it sleeps meanwhile.
absl::Time EventLoop::NextLook() const {
  return clock_->runs_by_itself() ? now_ : absl::InfiniteFuture();
}

void EventLoop::LookAtClock() {
  const absl::Time before = now_;
  now_ = clock_->Monotonic() - stalled_;
  const absl::Duration late = now_ - awake_by_;
  awake_by_ = NextLook();
  lag_.Observe(late);
  if (late <= kLate) return;
  overslept_ = true;
  if (late <= kStall) return;
  const absl::Duration stall = now_ - before;
  stalled_ += stall - kStallCountsAs;
  now_ = before + kStallCountsAs;
  awake_by_ = NextLook();
  if (on_stall_) on_stall_(stall);
}

// Everybody who has something for us is read once at least, before anybody's time is up.
void EventLoop::CatchUp() {
  const int events = event_base_get_num_events(base_.get(), EVENT_BASE_COUNT_ADDED);
  for (int calls = kCallsUntilMost + events / kMostEvents; calls > 0; --calls) {
    event_base_loop(base_.get(), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    now_is_stale_ = true;
    now();
  }
}

// libevent's clock is coarse, so that an alarm may ring before our clock says that it is due. The
// next turn sets it anew.
void EventLoop::OnAlarm(int, short, void* self) {
  static_cast<EventLoop*>(self)->alarm_at_ = absl::InfiniteFuture();
}

void EventLoop::Post(absl::AnyInvocable<void()> task) {
  bool is_first;
  {
    const MutexLock lock(mutex_);
    is_first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (is_first) Wake();  // else it has been woken already
}

void EventLoop::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_fd_, &one, sizeof(one));
}

void EventLoop::OnWakeUp(int fd, short, void* self) {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = read(fd, &count, sizeof(count));
  static_cast<EventLoop*>(self)->RunPosted();
}

void EventLoop::RunPosted() {
  std::vector<absl::AnyInvocable<void()>> tasks;
  {
    const MutexLock lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void EventLoop::Sweep() {
  // Destructors may bury more.
  while (!graveyard_.empty()) {
    dying_.swap(graveyard_);
    dying_.clear();
  }
}

}  // namespace tlsbridge
