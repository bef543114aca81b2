// The running service: listeners, workers, signals, and the way down.
//
// Thread: main's, which Run() keeps until the end. Owner: main. Failure: Create() returns a Status
// that says what to mend; nothing is left half-started.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "router/admin/admin_server.h"
#include "router/handshakes/handshake_limit.h"
#include "router/limits/admission.h"
#include "router/limits/budget.h"
#include "router/listeners/listeners.h"
#include "router/live/backend_watch.h"
#include "router/live/live_config.h"
#include "router/live/reloader.h"
#include "router/live/renewal/expiry_watch.h"
#include "router/live/renewal/file_watcher.h"
#include "router/log/stall_log.h"
#include "router/worker.h"

namespace tlsbridge {

class Router final : private AdminServer::Source {
 public:
  struct Files {
    std::vector<std::string> of_source;  // that the source itself reads
    bool watched = true;                 // else they are read again on SIGHUP only
  };

  // Opens every listener and takes over SIGINT, SIGTERM, SIGHUP and SIGUSR1. Before any other
  // thread exists.
  // `source` makes the configuration, now and at each reload.
  // From now on signals wait for the control loop; threads made later get none. Before Create().
  static void TakeOverSignals();

  static absl::StatusOr<std::unique_ptr<Router>> Create(Reloader::Source source, Files files,
                                                        const Clock* clock);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Serves until it has been told to stop and every connection has ended.
  void Run();

  // Where it listens, with the ports that the kernel gave.
  std::vector<SocketAddress> listeners() const { return listeners_->addresses(); }

 private:
  enum class Phase { kServing, kLameDuck, kDraining, kEnding };

  Router(std::shared_ptr<const LiveConfig> live, Budget budget);

  bool ready() const override { return phase_ == Phase::kServing; }
  void ConnectionsJson(OnJson done) override;
  void RoutesJson(OnJson done) override;
  void CertificatesJson(OnJson done) override;

  const Config& config() const { return live_->config(); }
  absl::Status Start(const Clock* clock);
  void TellOfStalls(EventLoop* loop);
  absl::Status OpenAdmin();
  void WarnOfFewDescriptors() const;
  void OnSignal();
  void Reload(Reloader::Cause cause);
  std::shared_ptr<const LiveConfig> OnReloaded(const Reloader::Outcome& outcome);
  void LookAfter();
  void AdoptReloaded(std::shared_ptr<const LiveConfig> live);
  void AdoptRenewed(std::shared_ptr<const LiveConfig> live);
  void ServeByNow();
  void Terminate();
  void BeginDrain();
  void EndNow();
  void CutNow();
  void OnAcceptingStopped();
  void OnWorkerEmpty();
  void AskWorkers(Worker::Detail detail, absl::AnyInvocable<void(const Worker::Snapshot&)> done);
  void LogSummary() const;

  std::shared_ptr<const LiveConfig> live_;
  const Budget budget_;
  const int worker_count_;
  Admission admission_;
  HandshakeLimit handshake_limit_;
  FailureFolder folder_;
  StallLog stalls_;
  std::unique_ptr<EventLoop> loop_;  // control; no connection lives on it
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<Reloader> reloader_;
  std::unique_ptr<FileWatcher> file_watcher_;  // null if files are not watched
  std::unique_ptr<ExpiryWatch> expiry_watch_;
  std::string refusal_;        // of the last reload; empty if it was taken
  int closing_ = 0;            // reloads that wait for listeners to close
  LiveCounters control_live_;  // sockets of health checks
  std::unique_ptr<BackendWatch> backend_watch_;
  std::unique_ptr<ListeningSocket> admin_socket_;
  std::unique_ptr<AdminServer> admin_;
  int signal_fd_ = -1;
  std::unique_ptr<FdEvent> signal_event_;
  std::unique_ptr<Timer> phase_timer_;
  Phase phase_ = Phase::kServing;
  size_t workers_left_ = 0;
  bool cutting_ = false;  // patience is at an end
};

}  // namespace tlsbridge
