// Echoes on a set of connections that stay, as fast as they come back or at a given rate.
#pragma once

#include <memory>
#include <vector>

#include "tools/bench/load/echo_client.h"
#include "tools/bench/load/load_context.h"
#include "tools/bench/load/modes.h"

namespace tlsbridge::bench {

class EchoRun {
 public:
  // `context` outlives the run.
  explicit EchoRun(LoadContext& context) : context_(context) {}

  // Opens all connections. False when one failed.
  bool Establish();
  // Warms up, measures, and lets what is under way come back. REQUIRES: Establish() was true.
  void Measure();
  // Closes all connections in order.
  void Finish();
  RunResult TakeResult() { return std::move(result_); }

 private:
  void OnEcho(EchoClient& client, absl::Duration asked);
  void MeasureClosedLoop();
  void MeasureAtRate();
  bool AllIdle() const;

  LoadContext& context_;
  std::vector<std::unique_ptr<EchoClient>> clients_;
  RunResult result_;
  bool again_ = false;           // Closed loop: each echo is followed by the next.
  absl::Duration counted_from_;  // Given rate: echoes that were wanted earlier are warm-up.
};

}  // namespace tlsbridge::bench
