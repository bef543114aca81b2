#include "router/router.h"

#include <signal.h>

#include <utility>

#include "absl/status/status.h"
#include "router/limits/usable_cores.h"
#include "router/live/renewal/file_set.h"
#include "router/log/log.h"
#include "router/service/start_log.h"

namespace tlsbridge {

namespace {

int Workers(const Config& config) { return config.workers > 0 ? config.workers : UsableCores(); }

}  // namespace

absl::StatusOr<std::unique_ptr<Router>> Router::Create(Reloader::Source source, Files files,
                                                       const Clock* clock, Inheritance* inheritance,
                                                       ServiceManager manager) {
  const uint64_t stamp = StampOf(files.of_source);
  Reloader::Result live = absl::UnavailableError("");
  {
    const Signals::LetStop let_stop;  // it may hang, and nothing is served yet
    live = source(nullptr, clock);
  }
  if (!live.ok()) return live.status();
  const Config& config = (*live)->config();
  std::unique_ptr<Router> router(new Router(
      config, ClaimBudget(OtherDescriptors(config, Workers(config))), std::move(manager)));
  absl::Status status =
      router->Start({std::move(source), std::move(files.of_source), stamp, files.watched}, *live,
                    clock, inheritance);
  if (!status.ok()) return status;
  return router;
}

Router::Router(const Config& config, Budget budget, ServiceManager manager)
    : budget_(budget),
      worker_count_(Workers(config)),
      manager_(std::move(manager)),
      admission_(HandshakeLimit::WithDefault(config.limits, worker_count_), budget.connections),
      handshake_limit_(HandshakeLimit::WithDefault(config.limits, worker_count_).handshakes) {}

absl::Status Router::Start(Reloads::Source source, std::shared_ptr<const LiveConfig> live,
                           const Clock* clock, Inheritance* inheritance) {
  auto loop = EventLoop::Create(clock);
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  if (absl::Status status = MakeWorkers(live, clock); !status.ok()) return status;
  TellOfStalls(loop_.get());

  EventLoop* const accept_loop = worker_count_ == 1 ? workers_.front()->loop() : loop_.get();
  std::vector<Worker*> workers;
  for (const auto& worker : workers_) workers.push_back(worker.get());
  listeners_ = std::make_unique<Listeners>(accept_loop, std::move(workers));
  InheritedSockets* const inherited = &inheritance->sockets;
  absl::Status status = inherited->Assign(live->config());
  if (status.ok()) status = listeners_->Open(live->config().listeners, inherited);
  if (status.ok()) status = listeners_->StartFirst();
  if (!status.ok()) return status;

  kernel_ = std::make_unique<KernelForwarding>(loop_.get(), &folder_);
  status = kernel_->Commit(live);
  if (!status.ok()) return status;

  lifecycle_ = std::make_unique<Lifecycle>(loop_.get(), listeners_.get(), workers_, kernel_.get(),
                                           &admission_, [this] { loop_->Stop(); });
  auto reloads = Reloads::Create({loop_.get(), lifecycle_.get(), listeners_.get(), kernel_.get(),
                                  workers_, &admission_, &handshake_limit_, budget_},
                                 std::move(source), std::move(live));
  if (!reloads.ok()) return reloads.status();
  reloads_ = *std::move(reloads);
  answers_ = std::make_unique<Answers>(Answers::Parts{loop_.get(), lifecycle_.get(), reloads_.get(),
                                                      workers_, &admission_, &handshake_limit_,
                                                      budget_, kernel_.get(), &folder_});
  TalkToManager();
  status = OpenAdmin(reloads_->config(), inherited);
  if (!status.ok()) return status;

  auto signals = Signals::Create(loop_.get(), [this](int signal) { OnSignal(signal); });
  if (!signals.ok()) return signals.status();
  signals_ = *std::move(signals);
  return absl::OkStatus();
}

absl::Status Router::MakeWorkers(const std::shared_ptr<const LiveConfig>& live,
                                 const Clock* clock) {
  for (int i = 0; i < worker_count_; ++i) {
    auto worker =
        Worker::Create(live, &admission_, &handshake_limit_, &folder_, clock, i, worker_count_);
    if (!worker.ok()) return worker.status();
    workers_.push_back(*std::move(worker));
    TellOfStalls(workers_.back()->loop());
  }
  return absl::OkStatus();
}

void Router::TalkToManager() {
  std::vector<EventLoop*> loops;
  for (const auto& worker : workers_) loops.push_back(worker->loop());
  manager_talk_ = std::make_unique<ManagerTalk>(loop_.get(), &manager_, std::move(loops),
                                                [this] { return answers_->StatusLine(); });
  reloads_->set_on_asked([this](Reloads::Asked asked) { manager_talk_->OnReload(asked); });
  lifecycle_->set_on_phase([this](Phase phase) { manager_talk_->OnPhase(phase); });
}

void Router::TellOfStalls(EventLoop* loop) {
  loop->set_on_stall(
      [this, loop](absl::Duration stall) { stalls_.Tell(stall, loop->clock().Monotonic()); });
}

absl::Status Router::OpenAdmin(const Config& config, InheritedSockets* inherited) {
  if (!config.admin.has_value()) return absl::OkStatus();
  admin_socket_ = inherited->Take(InheritedSockets::Use::kAdmin, *config.admin);
  if (admin_socket_ == nullptr) {
    auto socket = ListeningSocket::Open(*config.admin);
    if (!socket.ok()) return socket.status();
    admin_socket_ = *std::move(socket);
  }
  admin_ = std::make_unique<AdminServer>(loop_.get(), admin_socket_.get(), answers_.get());
  return admin_->Start();
}

Router::~Router() {
  for (auto& worker : workers_) worker->Join();
  signals_.reset();
  admin_.reset();
  manager_talk_.reset();
  reloads_.reset();
  lifecycle_.reset();
  kernel_.reset();
  listeners_.reset();  // before the loop that it accepts on
  workers_.clear();
}

absl::Status Router::Run() {
  for (auto& worker : workers_) {
    if (absl::Status status = worker->Start(); !status.ok()) return status;
  }
  for (const SocketAddress& address : listeners_->addresses()) {
    LogEvent(LogLevel::kInfo, "listening").Text("address", address.ToString());
  }
  LogRoutes(reloads_->config());
  reloads_->Begin();
  lifecycle_->Begin();
  if (admin_socket_ != nullptr) {
    LogEvent(LogLevel::kInfo, "admin_listening")
        .Text("address", admin_socket_->address().ToString());
  }
  LogReady(reloads_->config(), {.routes_down = static_cast<int64_t>(reloads_->live().Down().size()),
                                .workers = worker_count_,
                                .connections = admission_.limit(),
                                .handshakes = handshake_limit_.limit(),
                                .handshakes_per_ip = admission_.handshakes_per_ip(),
                                .descriptors = budget_.descriptors});
  manager_talk_->Ready();
  loop_->Run();
  for (auto& worker : workers_) worker->Join();
  kernel_->Leave();
  answers_->LogSummary();
  return absl::OkStatus();
}

void Router::OnSignal(int signal) {
  switch (signal) {
    case SIGINT:
    case SIGTERM:
      return lifecycle_->Terminate(reloads_->config().shutdown);
    case SIGUSR1:
      return answers_->LogConnections();
    case SIGHUP:
      return reloads_->Reload(Reloader::Cause::kAsked);
    default:
      return;
  }
}

}  // namespace tlsbridge
