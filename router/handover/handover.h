// Leads a hand-over from this end: starts the successor, sends it what it takes over, waits until
// it is ready, stops accepting, tells it to go on, and leaves once it does. Whatever goes wrong
// before that ends the successor and leaves this process as it was: its listening sockets stay open
// until the successor has said that it serves, so that a client finds somebody at every moment.
//
// One at a time. router/handover/step.h has the steps.
//
// Thread: the control loop's. Owner: the router's. Loop, service and launcher outlive it. Failure:
// the outcome; every step has a time by which it is over.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "router/handover/channel.h"
#include "router/handover/child.h"
#include "router/handover/state.h"
#include "router/handover/step.h"

namespace tlsbridge {

class Handover {
 public:
  // What is handed over, and what becomes of it here.
  class Service {
   public:
    struct Offer {
      HandoverState state;
      std::vector<int> descriptors;  // as state.h says; valid until the hand-over is over
    };
    // Nothing of it changes from now on, until Resume() or Leave().
    virtual Offer Collect() = 0;
    // Nobody is accepted here any more; `done` runs on this thread once that is so.
    virtual void Yield(absl::AnyInvocable<void()> done) = 0;
    // What is known only since then, for who goes on; empty: nothing.
    virtual SecretBytes LastWords() = 0;
    // It failed, be it before or after Yield(): all is as before, but for what Reclaim() waits for.
    virtual void Resume() = 0;
    // After Resume(), and once the successor has been reaped: nobody else has what was offered.
    virtual void Reclaim() = 0;
    // It is done. `taken` says which of the sockets the successor has.
    virtual void Leave(const std::vector<bool>& taken, pid_t successor) = 0;

   protected:
    ~Service() = default;
  };

  struct Outcome {
    absl::Status status;
    pid_t pid = 0;  // of the successor
    uint64_t generation = 0;
  };
  using OnOutcome = absl::AnyInvocable<void(const Outcome&)>;
  // Starts a program with one end of a channel, which stays the caller's.
  using Launcher = std::function<absl::StatusOr<std::unique_ptr<Child>>(int fd)>;

  // How long the successor may take to become ready, to confirm, and to end once it has failed.
  static constexpr absl::Duration kConfirmTime = absl::Seconds(5);
  static constexpr absl::Duration kLastWordsTime = absl::Seconds(1);

  Handover(EventLoop* loop, Service* service, Launcher launcher);
  ~Handover();
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  // `on_outcome` runs once, maybe now.
  void Begin(absl::Duration timeout, OnOutcome on_outcome);
  // Ends one that is under way.
  void CallOff(absl::string_view reason);

  HandoverStep step() const { return step_; }
  bool under_way() const { return step_ != HandoverStep::kIdle && step_ != HandoverStep::kDone; }

 private:
  void Enter(HandoverStep step);
  absl::Status Start();
  void SendState();
  void OnReadable();
  void OnPacket(const Packet& packet);
  void OnReady(const Packet& packet);
  void OnYielded(uint64_t attempt);
  void SendGo();
  void OnServing();
  void OnTimeout();
  void OnPoll();
  std::string LastReason();
  void Fail(const absl::Status& why, absl::Duration time_to_end);
  void Finish(const Outcome& outcome);

  EventLoop* const loop_;   // Not owned.
  Service* const service_;  // Not owned.
  const Launcher launcher_;
  HandoverStep step_ = HandoverStep::kIdle;
  uint64_t attempt_ = 0;
  uint64_t generation_ = 0;  // the successor's
  size_t sockets_ = 0;       // that it is offered
  std::vector<bool> taken_;
  absl::Duration timeout_;
  absl::Status failure_;
  OnOutcome on_outcome_;
  std::unique_ptr<Child> child_;
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<StateSender> sender_;
  std::unique_ptr<FdEvent> readable_;
  std::unique_ptr<FdEvent> writable_;
  Timer timer_;  // of the step
  Timer poll_;   // whether the child lives
};

}  // namespace tlsbridge
