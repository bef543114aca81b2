#include "bridge/event/event_loop.h"

#include <event2/event.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"

namespace tlsbridge {
namespace {

EventBasePtr MakeBase() {
  std::unique_ptr<event_config, void (*)(event_config*)> config(event_config_new(),
                                                                event_config_free);
  if (config == nullptr) return nullptr;
  // One thread uses a base. Without libevent's list of changes to epoll: it would name descriptors
  // that have been closed meanwhile, and may be another thread's by then.
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK);
  return EventBasePtr(event_base_new_with_config(config.get()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create(const Clock* clock) {
  EventBasePtr base = MakeBase();
  if (base == nullptr) return absl::ResourceExhaustedError("cannot make an event loop");
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) return absl::ErrnoToStatus(errno, "cannot make an eventfd");
  return std::unique_ptr<EventLoop>(new EventLoop(clock, std::move(base), wake_fd));
}

EventLoop::EventLoop(const Clock* clock, EventBasePtr base, int wake_fd)
    : clock_(clock),
      base_(std::move(base)),
      wake_fd_(wake_fd),
      now_(clock->Monotonic()),
      connection_timers_(now_),
      service_timers_(now_),
      alarm_(event_new(base_.get(), -1, 0, &OnAlarm, this)),
      wake_(event_new(base_.get(), wake_fd, EV_READ | EV_PERSIST, &OnWakeUp, this)) {
  event_add(wake_.get(), nullptr);
}

EventLoop::~EventLoop() {
  Sweep();
  wake_.reset();
  alarm_.reset();
  close(wake_fd_);
}

void EventLoop::Run() {
  while (!stopped_.load(std::memory_order_acquire)) Turn(/*wait=*/true);
}

void EventLoop::Stop() {
  stopped_.store(true, std::memory_order_release);
  Wake();
}

void EventLoop::Turn(bool wait) {
  SetAlarm();
  now_is_stale_ = true;
  const bool sleep = wait && !chore_is_left_;
  event_base_loop(base_.get(), sleep ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
  now_is_stale_ = true;
  connection_timers_.Advance(now());
  service_timers_.Advance(now());
  chore_is_left_ = chore_ && chore_();
  Sweep();
}

void EventLoop::SetAlarm() {
  if (!clock_->runs_by_itself()) return;
  constexpr absl::Time kNever = absl::InfiniteFuture();
  const absl::Time next = std::min(connection_timers_.NextWakeUp().value_or(kNever),
                                   service_timers_.NextWakeUp().value_or(kNever));
  // An alarm that is too early costs one empty turn; moving it costs as much, so it stays.
  if (next >= alarm_at_) return;
  alarm_at_ = next;
  const timeval delay = absl::ToTimeval(std::max(next - now(), absl::ZeroDuration()));
  event_add(alarm_.get(), &delay);
}

// libevent's clock is coarse, so that an alarm may ring before our clock says that it is due. The
// next turn sets it anew.
void EventLoop::OnAlarm(int, short, void* self) {
  static_cast<EventLoop*>(self)->alarm_at_ = absl::InfiniteFuture();
}

void EventLoop::Post(absl::AnyInvocable<void()> task) {
  bool is_first;
  {
    std::lock_guard<std::mutex> lock(mutex_);
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
    std::lock_guard<std::mutex> lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void EventLoop::Sweep() {
  // Destructors may bury more.
  while (!graveyard_.empty()) {
    std::vector<std::unique_ptr<DeferredDeletable>> dead;
    dead.swap(graveyard_);
  }
}

}  // namespace tlsbridge
