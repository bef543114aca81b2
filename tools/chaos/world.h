// The loop that all actors of a run live on: readiness, wake-ups and deferred destruction.
//
// Thread: one. Owner: the run; it outlives every actor. Failure: none.
#pragma once

#include <cstdint>
#include <memory>
#include <queue>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/bench/net/poller.h"

namespace tlsbridge::chaos {

// Something with a descriptor. Step() does all that is possible now; it is called whenever that may
// be more than before, and sometimes for nothing.
class Actor : public bench::FdHandler, public std::enable_shared_from_this<Actor> {
 public:
  virtual ~Actor() = default;
  virtual void Step() = 0;
  void OnReady(uint32_t) override { Step(); }
};

class World {
 public:
  static absl::Time Now() { return absl::Now(); }

  // Calls actor->Step() whenever `fd` becomes readable or writable. Closing `fd` ends that.
  void Watch(int fd, Actor* actor) { poller_.Add(fd, actor); }
  void WakeSoon(Actor* actor) { soon_.push_back(actor->weak_from_this()); }
  void WakeAfter(Actor* actor, absl::Duration delay) {
    alarms_.push({Now() + delay, actor->weak_from_this()});
  }
  // Keeps an actor that has closed its descriptor until this turn has ended.
  void Bury(std::shared_ptr<Actor> actor) { buried_.push_back(std::move(actor)); }

  // Waits for something to happen, at most `patience`.
  void Turn(absl::Duration patience);

 private:
  struct Alarm {
    absl::Time at;
    std::weak_ptr<Actor> actor;
    bool operator<(const Alarm& other) const { return at > other.at; }
  };

  bench::Poller poller_;
  std::vector<std::weak_ptr<Actor>> soon_;
  std::priority_queue<Alarm> alarms_;
  std::vector<std::shared_ptr<Actor>> buried_;
};

}  // namespace tlsbridge::chaos
