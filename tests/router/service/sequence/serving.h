// What a router serves with, on loops that a test turns by hand: listeners, two workers, reloads
// and the way down.
//
// Thread: the test's, which waits while the reloader's own is at work. Owner: the test. Failure:
// EXPECTs of gtest.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "router/handshakes/handshake_limit.h"
#include "router/limits/admission.h"
#include "router/listeners/listeners.h"
#include "router/live/live_config.h"
#include "router/log/failure_folder.h"
#include "router/service/kernel_forwarding.h"
#include "router/service/lifecycle.h"
#include "router/service/reloads.h"
#include "router/worker.h"

namespace tlsbridge::testing {

class Serving {
 public:
  explicit Serving(const ManualClock* clock, EventLoop* control);
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;
  ~Serving();

  void Begin(const Config& config);
  // Whether it is served from now on.
  bool Reload(const Config& config);
  // Each loop once.
  void Turn();

  struct Seen {
    std::map<std::string, nlohmann::json> records;  // by the client's address
    Worker::Snapshot sum;
    std::string all;  // everything that an operator can see, to be compared
  };
  Seen Look();

  std::shared_ptr<const LiveConfig> live() const { return served_.lock(); }
  const Admission& admission() const { return *admission_; }
  const HandshakeLimit& handshakes() const { return *handshakes_; }
  // Of the open listener that was wanted as `wanted`.
  SocketAddress ListenerAt(const SocketAddress& wanted) const;

  // How many of all that have been made are still there.
  size_t configs_alive();
  size_t routes_alive();

  // Drains as the configuration says.
  void Terminate() { lifecycle_->Terminate(reloads_->config().shutdown); }
  bool stopped() const { return stopped_; }

 private:
  std::shared_ptr<const LiveConfig> Make(const LiveConfig* previous);
  // Notes what is to be seen dying.
  void Know(const std::shared_ptr<const LiveConfig>& live);

  const ManualClock* const clock_;
  EventLoop* const control_;
  Config next_;  // what the source makes
  absl::Time now_;
  std::mutex mutex_;                      // guards the next one
  std::weak_ptr<const LiveConfig> made_;  // by the source
  std::weak_ptr<const LiveConfig> served_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<HandshakeLimit> handshakes_;
  FailureFolder folder_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<KernelForwarding> kernel_;
  std::unique_ptr<Lifecycle> lifecycle_;
  std::unique_ptr<Reloads> reloads_;
  bool stopped_ = false;
  std::vector<std::weak_ptr<const LiveConfig>> configs_;
  std::vector<std::weak_ptr<const LiveRoute>> routes_;
};

}  // namespace tlsbridge::testing
