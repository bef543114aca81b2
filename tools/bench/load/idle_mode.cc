#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "tools/bench/load/clock.h"
#include "tools/bench/load/echo_client.h"
#include "tools/bench/load/modes.h"

namespace tlsbridge::bench {
namespace {

bool StandardInputSpoke() {
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, 0) != 0;
}

class IdleRun {
 public:
  explicit IdleRun(LoadContext& context) : context_(context) {}

  RunResult Run() {
    if (EstablishAll(context_, nullptr, &clients_)) {
      std::fputs("ready\n", stderr);
      std::fflush(stderr);
      context_.meter.Start();
      Hold();
      context_.meter.Stop();
    }
    Finish();
    RunResult result;
    result.operations = clients_.size();
    return result;
  }

 private:
  // An end or a byte in this time is counted as an error by the client itself.
  void Hold() {
    const absl::Duration end = MonotonicNow() + context_.options.duration;
    const bool timed = context_.options.duration > absl::ZeroDuration();
    while (context_.tally.clean() && (timed ? MonotonicNow() < end : !StandardInputSpoke())) {
      context_.poller.Turn(absl::Milliseconds(50));
    }
  }

  void Finish() {
    for (const auto& client : clients_) {
      if (client->open()) client->Close();
    }
    context_.RunUntil([this] {
      return std::all_of(clients_.begin(), clients_.end(),
                         [](const auto& client) { return client->closed(); });
    });
  }

  LoadContext& context_;
  std::vector<std::unique_ptr<EchoClient>> clients_;
};

}  // namespace

RunResult RunIdle(LoadContext& context) { return IdleRun(context).Run(); }

}  // namespace tlsbridge::bench
