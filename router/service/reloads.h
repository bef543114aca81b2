// Takes over what the reloader has made: a new configuration in three steps, or the same one with
// files that have been renewed.
//
// Prepare: the reloader reads all files, then the kernel is asked about its rules, and the
// listeners that are new are opened; what fails there refuses the reload and has changed nothing.
// Commit: limits, listeners, backends' checks, the kernel and workers go by the new one. Clients
// that had queued where a listener goes away are served as they expected: workers adopt the new
// routes once those listeners are closed.
//
// Thread: the control loop's. Owner: the router. All that it is given outlives it; tasks that it
// has posted may find it only while the loop runs. Failure: Create() returns a Status; a reload
// that fails is logged, and what is served stays.
#pragma once

#include <stdint.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "bridge/live_counters.h"
#include "router/handshakes/handshake_limit.h"
#include "router/limits/admission.h"
#include "router/limits/budget.h"
#include "router/listeners/listeners.h"
#include "router/live/backend_watch.h"
#include "router/live/live_config.h"
#include "router/live/reloader.h"
#include "router/live/renewal/expiry_watch.h"
#include "router/live/renewal/file_watcher.h"
#include "router/service/kernel_forwarding.h"
#include "router/service/lifecycle.h"
#include "router/stats/reload_facts.h"
#include "router/worker.h"

namespace tlsbridge {

class Reloads {
 public:
  // What goes by the configuration. None of it is owned.
  struct Parts {
    EventLoop* loop;
    const Lifecycle* lifecycle;
    Listeners* listeners;
    KernelForwarding* kernel;
    absl::Span<const std::unique_ptr<Worker>> workers;
    Admission* admission;
    HandshakeLimit* handshake_limit;
    Budget budget;
  };
  struct Source {
    Reloader::Source make;
    std::vector<std::string> files;  // that it reads itself
    uint64_t fingerprint = 0;        // FingerprintOf() them, from before it made `live`
    bool watched = true;             // else files are read again on SIGHUP only
    BackendWatch::Lookups lookups = BackendWatch::Lookups::kThread;
  };

  static absl::StatusOr<std::unique_ptr<Reloads>> Create(const Parts& parts, Source source,
                                                         std::shared_ptr<const LiveConfig> live);
  ~Reloads();
  Reloads(const Reloads&) = delete;
  Reloads& operator=(const Reloads&) = delete;

  // Told when a reload that was asked for begins, and when it has been taken or refused.
  enum class Asked : uint8_t { kBegins, kIsOver };
  void set_on_asked(absl::AnyInvocable<void(Asked)> on_asked) { on_asked_ = std::move(on_asked); }

  // Whether files can be out of reach that are there.
  void set_sandboxed(bool sandboxed) { sandboxed_ = sandboxed; }

  // The first configuration is served from now on.
  void Begin();
  void Reload(Reloader::Cause cause);
  // Runs when other listeners are open than before.
  void set_on_listeners(absl::AnyInvocable<void()> on_listeners) {
    on_listeners_ = std::move(on_listeners);
  }
  // While held, what is served stays as it is; what should have been reloaded meanwhile is once it
  // is released.
  void Hold() { held_ = true; }
  void Release();
  // While held, by an operator.
  bool asked_meanwhile() const { return waiting_ == Reloader::Cause::kAsked; }

  const LiveConfig& live() const { return *live_; }
  const Config& config() const { return live_->config(); }
  const ReloadFacts& facts() const { return facts_; }

 private:
  Reloads(const Parts& parts, std::shared_ptr<const LiveConfig> live,
          BackendWatch::Lookups lookups);

  std::shared_ptr<const LiveConfig> OnReloaded(const Reloader::Outcome& outcome);
  void Take(const Reloader::Outcome& outcome);
  void CommitReloaded(std::shared_ptr<const LiveConfig> live);
  void CommitRenewed(std::shared_ptr<const LiveConfig> live);
  void CountReload(const std::string& refusal);
  void OnServed();
  void CommitKernel();
  void ServeByNow();

  const Parts parts_;
  std::shared_ptr<const LiveConfig> live_;
  ReloadFacts facts_;
  absl::AnyInvocable<void(Asked)> on_asked_;
  absl::AnyInvocable<void()> on_listeners_;
  bool held_ = false;
  std::optional<Reloader::Cause> waiting_;
  bool sandboxed_ = false;
  int closing_ = 0;            // reloads that wait for listeners to close
  LiveCounters control_live_;  // sockets of health checks
  std::unique_ptr<Reloader> reloader_;
  std::unique_ptr<FileWatcher> file_watcher_;  // null if files are not watched
  std::unique_ptr<ExpiryWatch> expiry_watch_;
  BackendWatch backend_watch_;
};

}  // namespace tlsbridge
