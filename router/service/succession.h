// The service's part in being handed over: what goes to the next process, and what becomes of this
// one meanwhile and then.
//
// While a hand-over is under way nothing that was offered changes: reloads wait. One that was asked
// for meanwhile is done afterwards, or, if another process serves then, is that one's (SIGHUP).
//
// Thread: the control loop's. Owner: the router. What it is given outlives it. Failure: the
// outcome, which is logged.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "router/admin/admin_server.h"
#include "router/handover/generations.h"
#include "router/handover/handover.h"
#include "router/host/service_manager.h"
#include "router/host/spawner.h"
#include "router/limits/admission.h"
#include "router/listeners/listener.h"
#include "router/listeners/listeners.h"
#include "router/live/live_config.h"
#include "router/service/kernel_forwarding.h"
#include "router/service/lifecycle.h"
#include "router/service/manager_talk.h"
#include "router/service/reloads.h"

namespace tlsbridge {

class Succession final : private Handover::Service {
 public:
  // None of it is owned.
  struct Parts {
    EventLoop* loop;
    Lifecycle* lifecycle;
    Reloads* reloads;
    Listeners* listeners;
    KernelForwarding* kernel;
    Admission* admission;
    ServiceManager* manager;
    ManagerTalk* manager_talk;
    Generations* generations;
    Spawner* spawner;  // null if there is none
  };
  struct Admin {
    AdminServer* server = nullptr;
    ListeningSocket* socket = nullptr;
    SocketAddress wanted;
  };

  Succession(const Parts& parts, absl::Duration timeout);

  // None, or those that there are.
  void AddAdmin(const Admin& admin) { admins_.push_back(admin); }

  // Hands over to the program as it lies there now. `done` runs once.
  void Begin(Handover::OnOutcome done);
  // The process is told to stop: one that is under way is called off.
  void CallOff();
  bool is_done() const { return handover_.step() == HandoverStep::kDone; }

 private:
  Offer Collect() override;
  void Yield(absl::AnyInvocable<void()> done) override;
  SecretBytes LastWords() override;
  void Resume() override;
  void Reclaim() override;
  void Leave(const std::vector<bool>& taken, pid_t successor) override;

  absl::StatusOr<std::unique_ptr<Child>> Launch(int fd);
  void Tell(const Handover::Outcome& outcome);

  const Parts parts_;
  const absl::Duration timeout_;
  std::vector<Admin> admins_;
  Handover handover_;
};

// The other end: what a predecessor knows that no file says. Before anybody is served.
void TakeOverKnowledge(const HandoverState& state, const LiveConfig& live, Admission* admission);

}  // namespace tlsbridge
