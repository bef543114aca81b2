// One health check of one endpoint: connects, talks, and says whether it passed in time.
//
// Thread: the loop's. Owner: whoever is called back, once, never inside the constructor; may
// destroy the probe in that call, and cancels by destroying it before. Loop and counters outlive
// it. Failure: the Status that it reports: kCancelled where this machine could not make the check,
// which says nothing of the endpoint.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/fd_event.h"
#include "bridge/event/timer.h"
#include "bridge/live_counters.h"
#include "bridge/race_dialer.h"
#include "router/backends/probe_talk.h"

namespace tlsbridge {

class HealthProbe {
 public:
  using OnDone = absl::AnyInvocable<void(const absl::Status&) &&>;

  HealthProbe(EventLoop* loop, LiveCounters* live, const std::vector<SocketAddress>& addresses,
              std::unique_ptr<ProbeTalk> talk, absl::Duration timeout, OnDone on_done);
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;
  ~HealthProbe();

 private:
  void OnDialled(const RaceDialer::Result& result);
  void OnReadable();
  void OnWritable();
  void Take(const ProbeStep& step);
  int Flush();
  void Finish(const absl::Status& status);
  void FinishUnmade(int error);

  EventLoop* const loop_;     // Not owned.
  LiveCounters* const live_;  // Not owned.
  const std::unique_ptr<ProbeTalk> talk_;
  OnDone on_done_;
  int fd_ = -1;
  std::string output_;
  bool passed_ = false;
  std::unique_ptr<LiveCount> live_socket_;
  std::unique_ptr<FdEvent> readable_;
  std::unique_ptr<FdEvent> writable_;
  RaceDialer dialer_;
  Timer timeout_;
};

}  // namespace tlsbridge
