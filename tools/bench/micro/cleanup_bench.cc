// What it costs to end a connection whose peers have gone, from the first call of its cleanup until
// both sockets are closed; and to abandon one by force.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "bridge/bridge.h"
#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "bridge/socket_address.h"
#include "bridge/worker_memory.h"

namespace tlsbridge {
namespace {

// A connection that passes through, over UNIX sockets.
class Connected final : private Bridge::Observer {
 public:
  Connected(EventLoop* loop, WorkerMemory* memory, int listener, const SocketAddress& backend)
      : backend_(backend) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return;
    client_ = pair[1];
    Bridge::Observer* const observer = this;
    bridge_ = std::make_unique<Bridge>(pair[0], &options_, observer, loop, memory);
    if (write(client_, "x", 1) != 1) return;
    for (int i = 0; i < 10 && !ready_; ++i) loop->Turn(/*wait=*/false);
    accepted_ = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  }
  ~Connected() { ClosePeers(); }

  bool ready() const { return ready_ && accepted_ >= 0; }
  void ClosePeers() {
    for (int* fd : {&client_, &accepted_}) {
      if (*fd >= 0) close(*fd);
      *fd = -1;
    }
  }
  bool closed() const { return closed_; }
  Bridge& bridge() { return *bridge_; }

 private:
  absl::Span<const uint8_t> OnFirstBytes(absl::Span<const uint8_t> bytes) override {
    bridge_->PassThrough();
    return bytes;
  }
  void OnHandshakeInput() override {}
  void OnClientsTurn() override {}
  void OnClientReady() override { bridge_->ConnectBackend({&backend_, 1}); }
  void OnBackendConnected() override { ready_ = true; }
  void OnFirstAnswer() override {}
  void OnConnectFailed(int, const tls::Failure&) override {}
  void OnHalfClosed() override {}
  void OnEnded(const End&) override {}
  void OnClosed() override { closed_ = true; }

  const SocketAddress backend_;
  const BridgeOptions options_;
  std::unique_ptr<Bridge> bridge_;
  int client_ = -1;
  int accepted_ = -1;
  bool ready_ = false;
  bool closed_ = false;
};

void Cleanup(benchmark::State& state, Ending ending) {
  const ManualClock clock;
  const auto loop = *EventLoop::Create(&clock);
  WorkerMemory memory;
  const SocketAddress backend =
      *SocketAddress::Parse(absl::StrCat("unix:@tlsbridge-cleanup-bench-", getpid()));
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, backend.get(), backend.length()) != 0 || listen(listener, 16) != 0) {
    state.SkipWithError("no listener");
  }
  for (auto _ : state) {
    auto connected = std::make_unique<Connected>(loop.get(), &memory, listener, backend);
    if (!connected->ready()) {
      state.SkipWithError("no connection");
      break;
    }
    connected->ClosePeers();
    const auto begin = std::chrono::steady_clock::now();
    connected->bridge().Cleanup({ending, ending});
    while (!connected->closed()) loop->Turn(/*wait=*/false);
    state.SetIterationTime(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  close(listener);
}

BENCHMARK_CAPTURE(Cleanup, graceful, Ending::kGraceful)->UseManualTime();
BENCHMARK_CAPTURE(Cleanup, by_force, Ending::kReset)->UseManualTime();

}  // namespace
}  // namespace tlsbridge
