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
#include "router/config/config.h"
#include "router/limits/admission.h"
#include "router/limits/budget.h"
#include "router/listener.h"
#include "router/worker.h"

namespace tlsbridge {

class Router final : private AdminServer::Source {
 public:
  // Opens every listener and takes over SIGINT, SIGTERM, SIGHUP and SIGUSR1. Before any other
  // thread exists.
  static absl::StatusOr<std::unique_ptr<Router>> Create(Config config, const Clock* clock);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Serves until it has been told to stop and every connection has ended.
  void Run();

  const std::vector<std::unique_ptr<ListeningSocket>>& listeners() const { return listeners_; }

 private:
  enum class Phase { kServing, kLameDuck, kDraining, kEnding };

  Router(Config config, Budget budget);

  bool ready() const override { return phase_ == Phase::kServing; }
  std::string ConnectionsJson() override;

  absl::Status OpenAdmin();
  void OnSignal();
  void Terminate();
  void BeginDrain();
  void EndNow();
  void OnAcceptingStopped();
  void OnWorkerEmpty();
  void Dump();
  void LogSummary() const;

  const Config config_;
  const Budget budget_;
  Admission admission_;
  std::unique_ptr<EventLoop> loop_;  // control; no connection lives on it
  std::vector<std::unique_ptr<ListeningSocket>> listeners_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<ListeningSocket> admin_socket_;
  std::unique_ptr<AdminServer> admin_;
  int signal_fd_ = -1;
  std::unique_ptr<FdEvent> signal_event_;
  std::unique_ptr<Timer> phase_timer_;
  Phase phase_ = Phase::kServing;
  size_t workers_accepting_ = 0;
  size_t workers_left_ = 0;
};

}  // namespace tlsbridge
