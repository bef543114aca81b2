// What operators are told of the running service: by the admin server, on SIGUSR1, and at the end.
// Workers tell it on their own threads, the kernel's part on this one; here it becomes one
// document.
//
// A page of connections is made in two steps: the workers tell which ids come next, and of those
// the smallest ones, as many as a page has, are listed. So pages divide the ids among them: a
// connection that lives while they are asked for is on exactly one, whatever comes and goes.
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
#include "router/service/kernel_forwarding.h"
#include "router/service/lifecycle.h"
#include "router/service/reloads.h"
#include "router/worker.h"

namespace tlsbridge {

class Answers final : public AdminServer::Source {
 public:
  Answers(EventLoop* loop, const Lifecycle* lifecycle, const Reloads* reloads,
          absl::Span<const std::unique_ptr<Worker>> workers, KernelForwarding* kernel);
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  bool accepting() const override { return lifecycle_->ready(); }
  std::string unready() const override;
  void ConnectionsJson(const ConnectionPage& page, OnJson done) override;
  void RoutesJson(OnJson done) override;
  void CertificatesJson(OnJson done) override;

  // The first page of the live connections, as a line of the log. While one is being made, another
  // is not begun.
  void LogConnections();
  // How all have ended. REQUIRES: the workers have been joined.
  void LogSummary() const;

 private:
  void ListConnections(const IdRange& range, bool more, OnJson done);

  EventLoop* const loop_;                                    // Not owned.
  const Lifecycle* const lifecycle_;                         // Not owned.
  const Reloads* const reloads_;                             // Not owned.
  const absl::Span<const std::unique_ptr<Worker>> workers_;  // Not owned.
  KernelForwarding* const kernel_;                           // Not owned.
  bool logging_ = false;
};

}  // namespace tlsbridge
