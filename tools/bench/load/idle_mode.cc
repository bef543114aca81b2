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

// More at once would measure the proxy's backlog.
constexpr size_t kOpeningAtOnce = 32;

bool StandardInputSpoke() {
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, 0) != 0;
}

class IdleRun {
 public:
  explicit IdleRun(LoadContext& context) : context_(context) {}

  RunResult Run() {
    Establish();
    if (context_.tally.clean()) {
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
  void Establish() {
    const auto wanted = static_cast<size_t>(context_.options.connections);
    size_t greeted = 0;
    context_.RunUntil([this, wanted, &greeted] {
      while (greeted < clients_.size() && clients_[greeted]->greeted()) ++greeted;
      while (clients_.size() < wanted && clients_.size() - greeted < kOpeningAtOnce &&
             context_.tally.clean()) {
        clients_.push_back(std::make_unique<EchoClient>(context_, 0, nullptr));
        clients_.back()->Open();
      }
      return greeted == wanted || !context_.tally.clean();
    });
  }

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
