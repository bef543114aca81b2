#include "router/router.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bridge/event/watch_error.h"
#include "router/limits/usable_cores.h"
#include "router/live/renewal/renewal_log.h"
#include "router/log/log.h"
#include "router/stats/route_stats.h"

namespace tlsbridge {
namespace {

sigset_t HandledSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  return signals;
}

std::string LiveJson(const Worker::Snapshot& s) {
  return absl::StrCat("{\"records\":", s.live.records, ",\"sockets\":", s.live.sockets,
                      ",\"timers\":", s.timers, ",\"queued_bytes\":", s.queued_bytes,
                      ",\"handshakes_waiting\":", s.handshakes_waiting, "}");
}

// One line a route, but not thousands.
void TellOfRoutes(const Config& config) {
  constexpr size_t kMost = 50;
  for (size_t i = 0; i < std::min(config.routes.size(), kMost); ++i) {
    const Route& route = config.routes[i];
    LogEvent(LogLevel::kInfo, "route")
        .Text("name", route.name)
        .Text("backends",
              absl::StrJoin(route.backends, ",", [](std::string* out, const Backend& b) {
                absl::StrAppend(out, b.address.ToString());
              }));
  }
}

// A UNIX socket cannot be reset: its peer reads the same end, cut short or not, unless it had sent
// something that was still unread.
void TellOfUnixBackends(const Config& config) {
  for (const Route& route : config.routes) {
    if (route.bridge.accept_truncation || route.tls_mode != TlsMode::kTerminate) continue;
    for (const Backend& backend : route.backends) {
      if (!backend.address.socket.is_unix()) continue;
      LogEvent(LogLevel::kInfo, "unix_backend_cannot_see_truncation")
          .Text("backend", backend.address.socket.ToString())
          .Text("hint",
                "where the backend must tell a request cut short from a whole one, use TCP");
    }
  }
}

}  // namespace

void Router::TakeOverSignals() {
  const sigset_t signals = HandledSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // libevent writes with writev(), which has no MSG_NOSIGNAL
}

absl::StatusOr<std::unique_ptr<Router>> Router::Create(Reloader::Source source, Files files,
                                                       const Clock* clock) {
  const uint64_t stamp = StampOf(files.of_source);
  auto live = source(nullptr, clock);
  if (!live.ok()) return live.status();
  std::unique_ptr<Router> router(new Router(*std::move(live), ClaimBudget()));
  if (absl::Status status = router->Start(clock); !status.ok()) return status;
  Router* const self = router.get();
  const sigset_t signals = HandledSignals();
  router->signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (router->signal_fd_ < 0) return absl::ErrnoToStatus(errno, "cannot receive signals");
  router->signal_event_ =
      std::make_unique<FdEvent>(self->loop_.get(), self->signal_fd_, [self] { self->OnSignal(); });
  if (const int error = router->signal_event_->Enable(); error != 0) {
    return WatchError("signals", error);
  }
  router->reloader_ = std::make_unique<Reloader>(
      self->loop_.get(), std::move(source), std::move(files.of_source), stamp,
      [self](const Reloader::Outcome& outcome) { return self->OnReloaded(outcome); });
  if (files.watched) {
    router->file_watcher_ = std::make_unique<FileWatcher>(self->loop_.get(), [self] {
      if (self->phase_ == Phase::kServing) self->Reload(Reloader::Cause::kFilesMayHaveChanged);
    });
    router->file_watcher_->Watch(router->reloader_->PlanFor(*router->live_));
  }
  return router;
}

Router::Router(std::shared_ptr<const LiveConfig> live, Budget budget)
    : live_(std::move(live)),
      budget_(budget),
      worker_count_(config().workers > 0 ? config().workers : UsableCores()),
      admission_(config().limits, budget.connections),
      handshake_limit_(config().limits, worker_count_) {}

absl::Status Router::Start(const Clock* clock) {
  auto loop = EventLoop::Create(clock);
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  std::vector<Worker*> workers;
  for (int i = 0; i < worker_count_; ++i) {
    auto worker =
        Worker::Create(live_, &admission_, &handshake_limit_, &folder_, clock, i, worker_count_);
    if (!worker.ok()) return worker.status();
    workers_.push_back(*std::move(worker));
    workers.push_back(workers_.back().get());
    TellOfStalls(workers.back()->loop());
  }
  TellOfStalls(loop_.get());
  EventLoop* const accept_loop = worker_count_ == 1 ? workers_.front()->loop() : loop_.get();
  listeners_ = std::make_unique<Listeners>(accept_loop, std::move(workers));
  if (absl::Status status = listeners_->Open(config().listeners); !status.ok()) {
    return status;
  }
  if (absl::Status status = listeners_->StartFirst(); !status.ok()) return status;
  return OpenAdmin();
}

void Router::TellOfStalls(EventLoop* loop) {
  loop->set_on_stall(
      [this, loop](absl::Duration stall) { stalls_.Tell(stall, loop->clock().Monotonic()); });
}

absl::Status Router::OpenAdmin() {
  if (!config().admin.has_value()) return absl::OkStatus();
  auto socket = ListeningSocket::Open(*config().admin);
  if (!socket.ok()) return socket.status();
  admin_socket_ = *std::move(socket);
  AdminServer::Source* const source = this;  // the base is private
  admin_ = std::make_unique<AdminServer>(loop_.get(), admin_socket_.get(), source);
  return admin_->Start();
}

Router::~Router() {
  for (auto& worker : workers_) worker->Join();
  backend_watch_.reset();
  file_watcher_.reset();
  expiry_watch_.reset();
  reloader_.reset();
  listeners_.reset();  // before the loop that it accepts on
  workers_.clear();
  admin_.reset();
  signal_event_.reset();
  if (signal_fd_ >= 0) close(signal_fd_);
}

void Router::Run() {
  for (const SocketAddress& address : listeners_->addresses()) {
    LogEvent(LogLevel::kInfo, "listening").Text("address", address.ToString());
  }
  TellOfRoutes(config());
  LookAfter();
  expiry_watch_ =
      std::make_unique<ExpiryWatch>(loop_.get(), [this]() -> const LiveConfig& { return *live_; });
  expiry_watch_->Look();
  for (auto& worker : workers_) worker->Start();
  workers_left_ = workers_.size();
  if (admin_socket_ != nullptr) {
    LogEvent(LogLevel::kInfo, "admin_listening")
        .Text("address", admin_socket_->address().ToString());
  }
  LogEvent(LogLevel::kInfo, "ready")
      .Number("routes", static_cast<int64_t>(config().routes.size()))
      .Number("workers", static_cast<int64_t>(workers_.size()))
      .Number("max_connections", admission_.limit())
      .Number("max_handshakes", handshake_limit_.limit())
      .Number("descriptors", budget_.descriptors);
  WarnOfFewDescriptors();
  loop_->Run();
  for (auto& worker : workers_) worker->Join();
  LogSummary();
}

void Router::WarnOfFewDescriptors() const {
  constexpr int64_t kFew = 100;
  const int64_t wanted = config().limits.connections;
  const int64_t most = admission_.limit();
  if (wanted == 0 ? most >= kFew : most >= wanted) return;
  LogEvent(LogLevel::kWarning, "few_connections")
      .Number("max_connections", most)
      .Number("wanted", wanted)
      .Number("descriptors", budget_.descriptors)
      .Text("message",
            "descriptors or memory allow no more; raise the hard limit of open files (ulimit -Hn, "
            "LimitNOFILE=), two for each connection");
}

void Router::OnSignal() {
  signalfd_siginfo info;
  while (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
    switch (info.ssi_signo) {
      case SIGINT:
      case SIGTERM:
        Terminate();
        break;
      case SIGUSR1:
        ConnectionsJson(
            [](const std::string& json) { LogEvent(LogLevel::kInfo, "dump").Members(json); });
        break;
      case SIGHUP:
        Reload(Reloader::Cause::kAsked);
        break;
    }
  }
}

void Router::Reload(Reloader::Cause cause) {
  if (phase_ == Phase::kServing) return reloader_->Start(live_, cause);
  LogEvent(LogLevel::kWarning, "reload_refused").Text("message", "the process is ending");
}

std::shared_ptr<const LiveConfig> Router::OnReloaded(const Reloader::Outcome& outcome) {
  if (phase_ != Phase::kServing) return live_;
  if (file_watcher_ != nullptr) file_watcher_->Watch(outcome.watch);
  std::shared_ptr<const LiveConfig> live = outcome.renewed;
  bool reloaded = outcome.reloaded;
  if (reloaded) {
    absl::Status status = outcome.live.status();
    if (status.ok()) {
      status = listeners_->Open((*outcome.live)->config().listeners);
    }
    const std::string refusal(status.message());
    if (!status.ok() && (outcome.asked || refusal != refusal_)) {
      LogEvent(LogLevel::kError, "reload_refused").Text("message", refusal);
    }
    refusal_ = refusal;
    reloaded = status.ok();
    if (reloaded) live = *outcome.live;
  }
  if (live != live_ || outcome.asked) {
    LogRenewals(*live_, *live, outcome.asked ? TellProblems::kAll : TellProblems::kNew);
  }
  if (reloaded) {
    AdoptReloaded(std::move(live));
  } else if (live != live_) {
    AdoptRenewed(std::move(live));
  }
  return live_;
}

// A configuration that is served from now on.
void Router::LookAfter() {
  TellOfUnixBackends(config());
  LogTlsWarnings(*live_, nullptr);
  if (backend_watch_ == nullptr) {
    backend_watch_ = std::make_unique<BackendWatch>(loop_.get(), &control_live_);
  }
  backend_watch_->Adopt(*live_);
}

void Router::AdoptReloaded(std::shared_ptr<const LiveConfig> live) {
  const std::shared_ptr<const LiveConfig> before = std::exchange(live_, std::move(live));
  admission_.SetLimits(config().limits);
  handshake_limit_.SetLimits(config().limits);
  for (const auto& route : live_->routes()) {
    route->state->admission.SetLimits(route->settings->limits);
  }
  // Whoever had queued where a listener goes away is served as they expected: by the old routes.
  // It is told once it is so.
  ++closing_;
  listeners_->CloseOthers(
      config().listeners,
      [this, live = live_, changes = DescribeChanges(before->config(), config())] {
        // From here, ahead of those who come to new listeners.
        for (auto& worker : workers_) worker->Adopt(live);
        loop_->Post([this, live, changes] {
          if (--closing_ == 0 && live != live_) ServeByNow();
          LogEvent(LogLevel::kInfo, "reloaded").Text("changes", changes);
        });
      });
  LookAfter();
  listeners_->Start();
  if (before->config().admin != config().admin || before->config().workers != config().workers ||
      !(before->config().log == config().log)) {
    LogEvent(LogLevel::kWarning, "restart_needed")
        .Text("message",
              "the admin address, the number of workers and the log change at start only");
  }
}

// The same routes and listeners.
void Router::AdoptRenewed(std::shared_ptr<const LiveConfig> live) {
  const std::shared_ptr<const LiveConfig> before = std::exchange(live_, std::move(live));
  LogTlsWarnings(*live_, before.get());
  if (closing_ == 0) ServeByNow();
  // Checks of backends go by the certificates that connections go by.
  backend_watch_->Adopt(*live_);
}

// New connections, that is; what has a connection keeps what it began with.
void Router::ServeByNow() {
  for (auto& worker : workers_) worker->Adopt(live_);
}

// The first signal drains; a second one has no patience: not even for Options::grace.
void Router::Terminate() {
  constexpr absl::Duration kLastGrace = absl::Seconds(1);
  if (phase_ != Phase::kServing) {
    EndNow();
    if (!phase_timer_->armed()) phase_timer_->ArmAfter(kLastGrace);
    return;
  }
  phase_ = Phase::kLameDuck;
  LogEvent(LogLevel::kInfo, "terminating")
      .Milliseconds("drain_delay_ms", config().shutdown.drain_delay)
      .Milliseconds("drain_timeout_ms", config().shutdown.drain_timeout);
  phase_timer_ = std::make_unique<Timer>(
      loop_.get(),
      [this] {
        if (phase_ == Phase::kLameDuck) {
          BeginDrain();
        } else if (phase_ == Phase::kDraining) {
          EndNow();
        } else {
          CutNow();
        }
      },
      Timer::Of::kService);
  phase_timer_->ArmAfter(config().shutdown.drain_delay);
}

void Router::BeginDrain() {
  phase_ = Phase::kDraining;
  listeners_->CloseOthers({}, [this] { loop_->Post([this] { OnAcceptingStopped(); }); });
  phase_timer_->ArmAfter(config().shutdown.drain_timeout);
}

void Router::EndNow() {
  if (phase_ == Phase::kEnding) return;
  if (phase_ == Phase::kLameDuck) BeginDrain();
  phase_ = Phase::kEnding;
  phase_timer_->Cancel();
  for (auto& worker : workers_) worker->EndAll(TerminationReason::kShutdown);
}

void Router::CutNow() {
  cutting_ = true;
  for (auto& worker : workers_) worker->CutAll(TerminationReason::kShutdown);
}

// Whoever had queued is with a worker now; from here on, new connections are refused.
void Router::OnAcceptingStopped() {
  LogEvent(LogLevel::kInfo, "draining").Number("connections", admission_.connections());
  for (auto& worker : workers_) {
    worker->Drain([this] { loop_->Post([this] { OnWorkerEmpty(); }); });
    if (phase_ == Phase::kEnding) worker->EndAll(TerminationReason::kShutdown);
    if (cutting_) worker->CutAll(TerminationReason::kShutdown);
  }
}

void Router::OnWorkerEmpty() {
  if (--workers_left_ == 0) loop_->Stop();
}

// `done` runs here when the last one has answered, with the sum.
void Router::AskWorkers(Worker::Detail detail,
                        absl::AnyInvocable<void(const Worker::Snapshot&)> done) {
  struct Answers {
    Worker::Snapshot all;
    size_t missing;
    absl::AnyInvocable<void(const Worker::Snapshot&)> done;
  };
  auto answers = std::make_shared<Answers>();
  answers->missing = workers_.size();
  answers->done = std::move(done);
  for (auto& worker : workers_) {
    worker->Report(detail, [this, answers](Worker::Snapshot snapshot) {
      loop_->Post([answers, snapshot = std::move(snapshot)] {
        answers->all.Add(snapshot);
        if (--answers->missing == 0) answers->done(answers->all);
      });
    });
  }
}

void Router::ConnectionsJson(OnJson done) {
  AskWorkers(Worker::Detail::kRecords, [done = std::move(done)](const auto& all) mutable {
    done(absl::StrCat("{\"live\":", LiveJson(all), ",\"records\":[", all.records, "]}"));
  });
}

void Router::RoutesJson(OnJson done) {
  AskWorkers(Worker::Detail::kRoutes, [this, done = std::move(done)](const auto& all) mutable {
    done(all.routes.ToJson(*live_, loop_->common_now()));
  });
}

void Router::CertificatesJson(OnJson done) {
  done(tlsbridge::CertificatesJson(*live_, loop_->clock().Wall()));
}

void Router::LogSummary() const {
  Worker::Snapshot all;
  for (const auto& worker : workers_) {
    all.Add(worker->FinalSnapshot());
  }
  const TerminationStats& stats = all.stats;
  LogEvent(LogLevel::kInfo, "summary")
      .Json("live", LiveJson(all))
      .Json("reasons", ReasonsJson([&stats](auto reason) { return stats.connections(reason); }))
      .Json("incoming",
            ReasonsJson([&stats](auto reason) { return stats.side(Side::kIncoming, reason); }))
      .Json("outgoing",
            ReasonsJson([&stats](auto reason) { return stats.side(Side::kOutgoing, reason); }));
}

}  // namespace tlsbridge
