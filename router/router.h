// The running service, put together: its parts, in the order in which they need each other.
//
// The parts are made from the bottom up and end the other way round (~Router): workers' threads
// first, so that nobody serves; then all that posts to the control loop or to workers; the loop
// last, with whatever was posted to it and not run.
//
// Thread: main's, which Run() keeps until the end. Owner: main. Failure: Create() and Run() return
// a Status that says what to mend; nothing has been served then.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "router/admin/admin_server.h"
#include "router/handover/generations.h"
#include "router/handover/predecessor.h"
#include "router/handshakes/handshake_limit.h"
#include "router/host/service_manager.h"
#include "router/host/spawner.h"
#include "router/limits/admission.h"
#include "router/limits/budget.h"
#include "router/listeners/inherited_sockets.h"
#include "router/listeners/listeners.h"
#include "router/live/live_config.h"
#include "router/live/reloader.h"
#include "router/log/stall_log.h"
#include "router/service/answers.h"
#include "router/service/confinement.h"
#include "router/service/job_end.h"
#include "router/service/kernel_forwarding.h"
#include "router/service/lifecycle.h"
#include "router/service/manager_talk.h"
#include "router/service/reloads.h"
#include "router/service/signals.h"
#include "router/service/stored_sockets.h"
#include "router/service/succession.h"
#include "router/worker.h"

namespace tlsbridge {

class Router {
 public:
  struct Files {
    std::vector<std::string> of_source;  // that the source itself reads
    bool watched = true;                 // else they are read again on SIGHUP only
  };

  // What it gives up before it serves.
  using Confinement = tlsbridge::Confinement;

  // What the process was given at its start.
  struct Inheritance {
    InheritedSockets sockets;
    std::unique_ptr<Predecessor> predecessor;  // null if it takes nobody's place
    std::unique_ptr<Spawner> spawner;          // of successors; null if there can be none
    // How long one that takes this one's place may take to become ready.
    absl::Duration upgrade_timeout = absl::Seconds(30);
    std::optional<JobEnd::What> exit_with;  // else it serves until it is told to stop
  };

  // Opens every listener, or takes it from `inheritance`. `source` makes the configuration, now and
  // at each reload; it owns what it uses (reloader.h), and `clock` lives as long as the process.
  // `manager` hears how it goes. REQUIRES: Signals::TakeOver().
  static absl::StatusOr<std::unique_ptr<Router>> Create(Reloader::Source source, Files files,
                                                        const Clock* clock,
                                                        Inheritance* inheritance,
                                                        ServiceManager manager = {},
                                                        Confinement confinement = {});
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Serves until it has been told to stop and every connection has ended. One that takes another's
  // place serves once that one says so.
  absl::Status Run();
  // Of the job whose end has ended it, as far as it is known; else 0.
  int exit_code() const { return exit_code_; }

  // Where it listens, with the ports that the kernel gave.
  std::vector<SocketAddress> listeners() const { return listeners_->addresses(); }

 private:
  struct Admin {
    SocketAddress wanted;  // as configured at the start
    std::unique_ptr<ListeningSocket> socket;
    std::unique_ptr<AdminServer> server;
  };

  Router(const Config& config, Budget budget, ServiceManager manager, Confinement confinement);

  absl::Status Start(Reloads::Source source, std::shared_ptr<const LiveConfig> live,
                     const Clock* clock, Inheritance* inheritance);
  absl::Status MakeWorkers(const std::shared_ptr<const LiveConfig>& live, const Clock* clock);
  absl::Status OpenAdmin(const std::optional<SocketAddress>& address, AdminServer::Serves serves,
                         Inheritance* inheritance, Admin* admin);
  void TellOfStalls(EventLoop* loop);
  void TalkToManager();
  void OnSignal(int signal);
  void Upgrade(absl::AnyInvocable<void(bool, std::string)> done);
  absl::Status StartKernel(std::shared_ptr<const LiveConfig> live, Predecessor* predecessor);
  void TakeOver();
  void Serve();
  absl::Status WatchJob(const JobEnd::What& what);
  void OnJobEnd(const std::string& sentence);
  void OnStopped();
  void StoreSockets();
  void Terminate();

  const Budget budget_;
  const int worker_count_;
  ServiceManager manager_;
  const Confinement confinement_;
  std::vector<std::string> source_files_;
  absl::Status failure_;  // of the take-over
  int exit_code_ = 0;
  std::string sandbox_;  // what of it is in force
  Admission admission_;
  HandshakeLimit handshake_limit_;
  FailureFolder folder_;
  StallLog stalls_;
  std::unique_ptr<EventLoop> loop_;  // control; no connection lives on it
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<KernelForwarding> kernel_;
  std::unique_ptr<Lifecycle> lifecycle_;
  std::unique_ptr<Reloads> reloads_;
  std::unique_ptr<Answers> answers_;
  std::unique_ptr<ManagerTalk> manager_talk_;
  // Either may be missing.
  Admin admin_;
  Admin metrics_;
  std::unique_ptr<Spawner> spawner_;
  std::unique_ptr<Predecessor> predecessor_;  // until this process serves
  std::vector<bool> taken_;                   // of its sockets
  Generations generations_;
  std::unique_ptr<Succession> succession_;
  StoredSockets stored_{&manager_};
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<JobEnd> job_end_;  // while it matters
};

}  // namespace tlsbridge
