// What operators are told of the running service: by the admin server, on SIGUSR1, and at the end.
// Workers tell it on their own threads; here it becomes one document.
//
// Thread: the control loop's. Owner: the router. All that it is given outlives it; so does the loop
// that is asked to add the workers' answers up. Failure: none.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "router/admin/admin_server.h"
#include "router/service/lifecycle.h"
#include "router/service/reloads.h"
#include "router/worker.h"

namespace tlsbridge {

class Answers final : public AdminServer::Source {
 public:
  Answers(EventLoop* loop, const Lifecycle* lifecycle, const Reloads* reloads,
          absl::Span<const std::unique_ptr<Worker>> workers);
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  bool accepting() const override { return lifecycle_->ready(); }
  std::string unready() const override;
  void ConnectionsJson(OnJson done) override;
  void RoutesJson(OnJson done) override;
  void CertificatesJson(OnJson done) override;

  // The live connections, as a line of the log.
  void LogConnections();
  // How all have ended. REQUIRES: the workers have been joined.
  void LogSummary() const;

 private:
  void AskWorkers(Worker::Detail detail, absl::AnyInvocable<void(const Worker::Snapshot&)> done);

  EventLoop* const loop_;                                    // Not owned.
  const Lifecycle* const lifecycle_;                         // Not owned.
  const Reloads* const reloads_;                             // Not owned.
  const absl::Span<const std::unique_ptr<Worker>> workers_;  // Not owned.
};

}  // namespace tlsbridge
