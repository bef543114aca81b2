#include "router/router.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/limits/usable_cores.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

// How long a worker may take to describe its connections. Ten thousand take a tenth of a second.
constexpr std::chrono::seconds kPatience(5);

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

// {"closed_incoming":3,...}: what is not zero.
template <typename Count>
std::string ReasonsJson(Count count) {
  std::vector<std::string> members;
  for (size_t i = 0; i < kTerminationReasons; ++i) {
    const auto reason = static_cast<TerminationReason>(i);
    if (const uint64_t n = count(reason); n > 0) {
      members.push_back(absl::StrCat("\"", TerminationReasonName(reason), "\":", n));
    }
  }
  return absl::StrCat("{", absl::StrJoin(members, ","), "}");
}

// A UNIX socket cannot be reset: its peer reads the same end, cut short or not, unless it had sent
// something that was still unread.
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

absl::StatusOr<std::unique_ptr<Router>> Router::Create(Reloader::Source source,
                                                       const Clock* clock) {
  // Other threads inherit the mask, so that signals come to the control loop only.
  const sigset_t signals = HandledSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // libevent writes with writev(), which has no MSG_NOSIGNAL

  auto live = source(nullptr, clock);
  if (!live.ok()) return live.status();
  std::unique_ptr<Router> router(new Router(*std::move(live), ClaimBudget()));
  if (absl::Status status = router->Start(clock); !status.ok()) return status;
  Router* const self = router.get();
  router->signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (router->signal_fd_ < 0) return absl::ErrnoToStatus(errno, "cannot receive signals");
  router->signal_event_ =
      std::make_unique<FdEvent>(self->loop_.get(), self->signal_fd_, [self] { self->OnSignal(); });
  router->reloader_ = std::make_unique<Reloader>(
      self->loop_.get(), std::move(source),
      [self](Reloader::Result result) { return self->OnReloaded(std::move(result)); });
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
  }
  EventLoop* const accept_loop = worker_count_ == 1 ? workers_.front()->loop() : loop_.get();
  listeners_ = std::make_unique<Listeners>(accept_loop, std::move(workers));
  if (absl::Status status = listeners_->Open(config().listeners, tcp_options()); !status.ok()) {
    return status;
  }
  return OpenAdmin();
}

absl::Status Router::OpenAdmin() {
  if (!config().admin.has_value()) return absl::OkStatus();
  auto socket = ListeningSocket::Open(*config().admin, tcp_options());
  if (!socket.ok()) return socket.status();
  admin_socket_ = *std::move(socket);
  AdminServer::Source* const source = this;  // the base is private
  admin_ = std::make_unique<AdminServer>(loop_.get(), admin_socket_.get(), source);
  return absl::OkStatus();
}

Router::~Router() {
  for (auto& worker : workers_) worker->Join();
  backend_watch_.reset();
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
  Adopted();
  for (auto& worker : workers_) worker->Start();
  workers_left_ = workers_.size();
  listeners_->Start();
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
  loop_->Run();
  for (auto& worker : workers_) worker->Join();
  LogSummary();
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
        Dump();
        break;
      case SIGHUP:
        Reload();
        break;
    }
  }
}

// What is served from now on is looked after.
void Router::Adopted() {
  TellOfUnixBackends(config());
  backend_watch_ = std::make_unique<BackendWatch>(loop_.get(), &control_live_, *live_);
  for (const LiveRoute& route : live_->routes()) {
    for (const std::string& warning : route.tls.warnings) {
      LogEvent(LogLevel::kWarning, "tls_warning")
          .Text("route", route.settings->name)
          .Text("message", warning);
    }
  }
}

void Router::Reload() {
  if (phase_ == Phase::kServing) return reloader_->Start(live_);
  LogEvent(LogLevel::kWarning, "reload_refused").Text("message", "the process is ending");
}

std::shared_ptr<const LiveConfig> Router::OnReloaded(Reloader::Result result) {
  if (phase_ != Phase::kServing) return live_;
  absl::Status status = result.status();
  if (status.ok()) status = listeners_->Open((*result)->config().listeners, tcp_options());
  if (!status.ok()) {
    LogEvent(LogLevel::kError, "reload_refused").Text("message", status.message());
    return live_;
  }
  const std::shared_ptr<const LiveConfig> before = std::exchange(live_, *std::move(result));
  admission_.SetLimits(config().limits);
  handshake_limit_.SetLimits(config().limits);
  for (const LiveRoute& route : live_->routes()) {
    route.admission->SetLimits(route.settings->limits);
  }
  // Whoever had queued where a listener goes away is served as they expected: by the old routes.
  // It is told once it is so.
  listeners_->CloseOthers(
      config().listeners,
      [this, live = live_, changes = DescribeChanges(before->config(), config())] {
        for (auto& worker : workers_) worker->Adopt(live);
        loop_->Post([changes] { LogEvent(LogLevel::kInfo, "reloaded").Text("changes", changes); });
      });
  Adopted();
  listeners_->Start();
  if (before->config().admin != config().admin || before->config().workers != config().workers) {
    LogEvent(LogLevel::kWarning, "restart_needed")
        .Text("message", "the admin address and the number of workers change at start only");
  }
  return live_;
}

// The first signal drains; a second one has no patience.
void Router::Terminate() {
  if (phase_ != Phase::kServing) return EndNow();
  phase_ = Phase::kLameDuck;
  LogEvent(LogLevel::kInfo, "terminating")
      .Milliseconds("drain_delay_ms", config().shutdown.drain_delay)
      .Milliseconds("drain_timeout_ms", config().shutdown.drain_timeout);
  phase_timer_ = std::make_unique<Timer>(
      loop_.get(),
      [this] {
        if (phase_ == Phase::kLameDuck) {
          BeginDrain();
        } else {
          EndNow();
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

// Whoever had queued is with a worker now; from here on, new connections are refused.
void Router::OnAcceptingStopped() {
  LogEvent(LogLevel::kInfo, "draining").Number("connections", admission_.connections());
  for (auto& worker : workers_) {
    worker->Drain([this] { loop_->Post([this] { OnWorkerEmpty(); }); });
    if (phase_ == Phase::kEnding) worker->EndAll(TerminationReason::kShutdown);
  }
}

void Router::OnWorkerEmpty() {
  if (--workers_left_ == 0) loop_->Stop();
}

void Router::Dump() {
  const std::string json = ConnectionsJson();
  if (json.empty()) return;
  LogEvent(LogLevel::kInfo, "dump").Members(json);
}

// Asks every worker, and waits: this is the control loop, on which no connection lives.
std::string Router::ConnectionsJson() {
  Worker::Snapshot all;
  std::vector<std::string> records;
  for (auto& worker : workers_) {
    auto answer = std::make_shared<std::promise<Worker::Snapshot>>();
    std::future<Worker::Snapshot> future = answer->get_future();
    worker->Report(/*with_records=*/true,
                   [answer](const Worker::Snapshot& snapshot) { answer->set_value(snapshot); });
    if (future.wait_for(kPatience) != std::future_status::ready) return {};
    const Worker::Snapshot snapshot = future.get();
    all.Add(snapshot);
    if (!snapshot.records.empty()) records.push_back(snapshot.records);
  }
  return absl::StrCat("{\"live\":", LiveJson(all), ",\"records\":[", absl::StrJoin(records, ","),
                      "]}");
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
