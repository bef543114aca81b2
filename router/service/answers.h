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
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/admin/admin_server.h"
#include "router/handover/generations.h"
#include "router/handshakes/handshake_limit.h"
#include "router/limits/admission.h"
#include "router/limits/budget.h"
#include "router/metrics/exposition.h"
#include "router/service/kernel_forwarding.h"
#include "router/service/lifecycle.h"
#include "router/service/reloads.h"
#include "router/stats/service.h"
#include "router/worker.h"

namespace tlsbridge {

class Answers final : public AdminServer::Source {
 public:
  // Whom it asks. None of it is owned.
  struct Parts {
    EventLoop* loop;
    Lifecycle* lifecycle;
    const Reloads* reloads;
    absl::Span<const std::unique_ptr<Worker>> workers;
    const Admission* admission;
    const HandshakeLimit* handshake_limit;
    Budget budget;
    KernelForwarding* kernel;
    const FailureFolder* folder;
    Generations* generations;
  };

  explicit Answers(const Parts& parts);
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  bool accepting() const override { return parts_.lifecycle->ready(); }
  std::string unready() const override;
  void StatusJson(OnText done) override;
  void ConnectionsJson(const ConnectionPage& page, OnText done) override;
  void EndedJson(const RecentEnds::Query& query, OnText done) override;
  void FailuresJson(const RecentFailures::Query& query, OnText done) override;
  void RoutesJson(OnText done) override;
  void CertificatesJson(OnText done) override;
  void Metrics(Exposition::Format format, OnText done) override;
  bool Drain() override;
  void Upgrade(absl::AnyInvocable<void(bool ok, std::string text)> done) override;
  bool SetLevel(LogLevel level) override;

  // What hands over to another process, where something does.
  using OnUpgrade = absl::AnyInvocable<void(absl::AnyInvocable<void(bool ok, std::string text)>)>;
  void set_on_upgrade(OnUpgrade on_upgrade) { on_upgrade_ = std::move(on_upgrade); }

  // How it is, in a line: "ready; 1 problem. 12 connections, 3 routes".
  std::string StatusLine();
  // The first page of the live connections, as a line of the log. While one is being made, another
  // is not begun.
  void LogConnections();
  // How all have ended. REQUIRES: the workers have been joined.
  void LogSummary() const;

 private:
  // Those of a range that the page's filter wants.
  void ListConnections(const ConnectionPage& page, uint64_t until, bool more, OnText done);
  Service Describe();
  void CheckLog();

  const Parts parts_;
  const absl::Time started_;  // by the wall
  OnUpgrade on_upgrade_;
  bool logging_ = false;
  uint64_t lines_lost_ = 0;  // when last looked
  absl::Time lines_lost_at_ = absl::InfinitePast();
  Timer check_timer_;
};

}  // namespace tlsbridge
