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
                      ",\"timers\":", s.timers, ",\"queued_bytes\":", s.queued_bytes, "}");
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
void TellOfUnixBackend(const Route& route) {
  if (!route.backend.is_unix() || route.bridge.accept_truncation) return;
  LogEvent(LogLevel::kInfo, "unix_backend_cannot_see_truncation")
      .Text("backend", route.backend.ToString())
      .Text("hint", "where the backend must tell a request cut short from a whole one, use TCP");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Router>> Router::Create(Config config, const Clock* clock) {
  // Workers inherit the mask, so that signals come to the control loop only.
  const sigset_t signals = HandledSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // libevent writes with writev(), which has no MSG_NOSIGNAL

  std::unique_ptr<Router> router(new Router(std::move(config), ClaimBudget()));
  auto loop = EventLoop::Create(clock);
  if (!loop.ok()) return loop.status();
  router->loop_ = *std::move(loop);
  for (const SocketAddress& address : router->config_.listeners) {
    auto listener = ListeningSocket::Open(address, router->config_.route.bridge.tcp);
    if (!listener.ok()) return listener.status();
    router->listeners_.push_back(*std::move(listener));
  }
  if (absl::Status status = router->OpenAdmin(); !status.ok()) return status;
  auto worker = Worker::Create(&router->config_, &router->admission_, clock, 0, 1);
  if (!worker.ok()) return worker.status();
  router->workers_.push_back(*std::move(worker));

  router->signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (router->signal_fd_ < 0) return absl::ErrnoToStatus(errno, "cannot receive signals");
  Router* const self = router.get();
  router->signal_event_ =
      std::make_unique<FdEvent>(self->loop_.get(), self->signal_fd_, [self] { self->OnSignal(); });
  return router;
}

Router::Router(Config config, Budget budget)
    : config_(std::move(config)), budget_(budget), admission_(config_.limits, budget.connections) {}

absl::Status Router::OpenAdmin() {
  if (!config_.admin.has_value()) return absl::OkStatus();
  auto socket = ListeningSocket::Open(*config_.admin, config_.route.bridge.tcp);
  if (!socket.ok()) return socket.status();
  admin_socket_ = *std::move(socket);
  AdminServer::Source* const source = this;  // the base is private
  admin_ = std::make_unique<AdminServer>(loop_.get(), admin_socket_.get(), source);
  return absl::OkStatus();
}

Router::~Router() {
  admin_.reset();
  signal_event_.reset();
  if (signal_fd_ >= 0) close(signal_fd_);
}

void Router::Run() {
  std::vector<const ListeningSocket*> sockets;
  for (const auto& listener : listeners_) {
    sockets.push_back(listener.get());
    LogEvent(LogLevel::kInfo, "listening")
        .Text("address", listener->address().ToString())
        .Text("backend", config_.route.backend.ToString());
  }
  TellOfUnixBackend(config_.route);
  for (auto& worker : workers_) worker->Start(sockets);
  workers_accepting_ = workers_left_ = workers_.size();
  if (admin_socket_ != nullptr) {
    LogEvent(LogLevel::kInfo, "admin_listening")
        .Text("address", admin_socket_->address().ToString());
  }
  LogEvent(LogLevel::kInfo, "ready")
      .Number("workers", static_cast<int64_t>(workers_.size()))
      .Number("max_connections", admission_.limit())
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
        LogEvent(LogLevel::kInfo, "nothing_to_reload");
        break;
    }
  }
}

// The first signal drains; a second one has no patience.
void Router::Terminate() {
  if (phase_ != Phase::kServing) return EndNow();
  phase_ = Phase::kLameDuck;
  LogEvent(LogLevel::kInfo, "terminating")
      .Milliseconds("drain_delay_ms", config_.shutdown.drain_delay)
      .Milliseconds("drain_timeout_ms", config_.shutdown.drain_timeout);
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
  phase_timer_->ArmAfter(config_.shutdown.drain_delay);
}

void Router::BeginDrain() {
  phase_ = Phase::kDraining;
  for (auto& worker : workers_) {
    worker->Drain([this] { loop_->Post([this] { OnAcceptingStopped(); }); },
                  [this] { loop_->Post([this] { OnWorkerEmpty(); }); });
  }
  phase_timer_->ArmAfter(config_.shutdown.drain_timeout);
}

void Router::EndNow() {
  if (phase_ == Phase::kEnding) return;
  if (phase_ == Phase::kLameDuck) BeginDrain();
  phase_ = Phase::kEnding;
  phase_timer_->Cancel();
  for (auto& worker : workers_) worker->EndAll(TerminationReason::kShutdown);
}

void Router::OnAcceptingStopped() {
  if (--workers_accepting_ > 0) return;
  for (auto& listener : listeners_) listener->Close();
  LogEvent(LogLevel::kInfo, "draining");  // from here on, new connections are refused
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
