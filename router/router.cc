#include "router/router.h"

#include <signal.h>

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "router/limits/usable_cores.h"
#include "router/listeners/stored_name.h"
#include "router/live/renewal/file_set.h"
#include "router/log/log.h"
#include "router/service/start_log.h"

namespace tlsbridge {

namespace {

int Workers(const Config& config) { return config.workers > 0 ? config.workers : UsableCores(); }

}  // namespace

absl::StatusOr<std::unique_ptr<Router>> Router::Create(Reloader::Source source, Files files,
                                                       const Clock* clock, Inheritance* inheritance,
                                                       ServiceManager manager,
                                                       Confinement confinement) {
  const uint64_t fingerprint = FingerprintOf(files.of_source);
  Reloader::Result live = absl::UnavailableError("");
  {
    const Signals::LetStop let_stop;  // it may hang, and nothing is served yet
    live = source(nullptr, clock);
  }
  const auto refuse = [inheritance](const absl::Status& why) {
    if (inheritance->predecessor != nullptr) inheritance->predecessor->Refuse(why);
    return why;
  };
  if (!live.ok()) return refuse(live.status());
  const Config& config = (*live)->config();
  std::unique_ptr<Router> router(new Router(config,
                                            ClaimBudget(OtherDescriptors(config, Workers(config))),
                                            std::move(manager), std::move(confinement)));
  router->source_files_ = files.of_source;
  absl::Status status =
      router->Start({std::move(source), std::move(files.of_source), fingerprint, files.watched},
                    *live, clock, inheritance);
  if (!status.ok()) return refuse(status);
  return router;
}

Router::Router(const Config& config, Budget budget, ServiceManager manager, Confinement confinement)
    : budget_(budget),
      worker_count_(Workers(config)),
      manager_(std::move(manager)),
      confinement_(std::move(confinement)),
      admission_(HandshakeLimit::WithDefault(config.limits, worker_count_), budget.connections),
      handshake_limit_(HandshakeLimit::WithDefault(config.limits, worker_count_).handshakes) {}

absl::Status Router::Start(Reloads::Source source, std::shared_ptr<const LiveConfig> live,
                           const Clock* clock, Inheritance* inheritance) {
  Predecessor* const predecessor = inheritance->predecessor.get();
  if (predecessor != nullptr) {
    generations_.Inherit(predecessor->state(), predecessor->TakeProcesses());
    TakeOverKnowledge(predecessor->state(), *live, &admission_);
  }
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
  if (status.ok() && predecessor == nullptr) status = listeners_->StartFirst();
  if (!status.ok()) return status;

  status = StartKernel(live, predecessor);
  if (!status.ok()) return status;

  lifecycle_ = std::make_unique<Lifecycle>(loop_.get(), listeners_.get(), workers_, kernel_.get(),
                                           &admission_, [this] { OnStopped(); });
  auto reloads = Reloads::Create({loop_.get(), lifecycle_.get(), listeners_.get(), kernel_.get(),
                                  workers_, &admission_, &handshake_limit_, budget_},
                                 std::move(source), std::move(live));
  if (!reloads.ok()) return reloads.status();
  reloads_ = *std::move(reloads);
  answers_ = std::make_unique<Answers>(
      Answers::Parts{loop_.get(), lifecycle_.get(), reloads_.get(), workers_, &admission_,
                     &handshake_limit_, budget_, kernel_.get(), &folder_, &generations_});
  TalkToManager();
  spawner_ = std::move(inheritance->spawner);
  succession_ = std::make_unique<Succession>(
      Succession::Parts{loop_.get(), lifecycle_.get(), reloads_.get(), listeners_.get(),
                        kernel_.get(), &admission_, &manager_, manager_talk_.get(), &generations_,
                        spawner_.get()},
      inheritance->upgrade_timeout);
  answers_->set_on_upgrade([this](auto done) { Upgrade(std::move(done)); });
  const Config& config = reloads_->config();
  status = OpenAdmin(config.admin, AdminServer::Serves::kAll, inheritance, &admin_);
  if (status.ok()) {
    status = OpenAdmin(config.metrics, AdminServer::Serves::kMetrics, inheritance, &metrics_);
  }
  if (!status.ok()) return status;

  auto signals = Signals::Create(loop_.get(), [this](int signal) { OnSignal(signal); });
  if (!signals.ok()) return signals.status();
  signals_ = *std::move(signals);
  if (inheritance->exit_with) status = WatchJob(*inheritance->exit_with);
  if (!status.ok()) return status;
  for (const std::string& name : inherited->stored()) stored_.Remember(name);
  // All is open that only a start may open.
  absl::StatusOr<std::string> sandbox = Confine(reloads_->live(), source_files_, confinement_);
  if (!sandbox.ok()) return sandbox.status();
  sandbox_ = *std::move(sandbox);
  reloads_->set_sandboxed(sandbox_ != "none");
  taken_ = inherited->taken();
  inherited->CloseRest();
  predecessor_ = std::move(inheritance->predecessor);
  return absl::OkStatus();
}

absl::Status Router::StartKernel(std::shared_ptr<const LiveConfig> live, Predecessor* predecessor) {
  kernel_ = std::make_unique<KernelForwarding>(loop_.get(), &folder_);
  if (predecessor == nullptr) return kernel_->Commit(std::move(live));
  return kernel_->Await(std::move(live), predecessor->state().kernel, predecessor->TakeKernel());
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
  lifecycle_->set_on_phase([this](Phase phase) {
    manager_talk_->OnPhase(phase);
    // From here on it is another's affair, or nobody's.
    if (phase != Phase::kServing) loop_->Post([this] { job_end_.reset(); });
    if (phase != Phase::kLeaving) return;
    succession_->CallOff();
    stored_.Store({});  // this is no crash
  });
}

void Router::TellOfStalls(EventLoop* loop) {
  loop->set_on_stall(
      [this, loop](absl::Duration stall) { stalls_.Tell(stall, loop->clock().Monotonic()); });
}

absl::Status Router::OpenAdmin(const std::optional<SocketAddress>& address,
                               AdminServer::Serves serves, Inheritance* inheritance, Admin* admin) {
  if (!address.has_value()) return absl::OkStatus();
  admin->socket = inheritance->sockets.Take(InheritedSockets::Use::kAdmin, *address);
  if (admin->socket == nullptr) {
    auto socket = ListeningSocket::Open(*address);
    if (!socket.ok()) return socket.status();
    admin->socket = *std::move(socket);
  }
  admin->server =
      std::make_unique<AdminServer>(loop_.get(), admin->socket.get(), serves, answers_.get());
  admin->wanted = *address;
  succession_->AddAdmin({admin->server.get(), admin->socket.get(), *address});
  return inheritance->predecessor == nullptr ? admin->server->Start() : absl::OkStatus();
}

Router::~Router() {
  for (auto& worker : workers_) worker->Join();
  signals_.reset();
  job_end_.reset();
  metrics_.server.reset();
  admin_.server.reset();
  succession_.reset();
  predecessor_.reset();
  manager_talk_.reset();
  reloads_.reset();
  lifecycle_.reset();
  kernel_.reset();
  listeners_.reset();  // before the loop that it accepts on
  workers_.clear();
}

absl::Status Router::Run() {
  absl::Status status;
  for (auto& worker : workers_) status.Update(worker->Start());
  if (status.ok()) {
    reloads_->Begin();
    if (predecessor_ == nullptr) {
      Serve();
    } else {
      status = predecessor_->Ready(loop_.get(), taken_, [this] { TakeOver(); });
    }
  }
  if (!status.ok()) {
    if (predecessor_ != nullptr) predecessor_->Refuse(status);
    return status;
  }
  loop_->Run();
  for (auto& worker : workers_) worker->Join();
  if (!failure_.ok()) return failure_;
  kernel_->Leave();
  answers_->LogSummary();
  return absl::OkStatus();
}

// It is this process's turn.
void Router::TakeOver() {
  failure_ = kernel_->TakeOver(predecessor_->last_words());
  if (!failure_.ok()) {
    predecessor_->Refuse(failure_);
    return loop_->Stop();
  }
  listeners_->Start();
  for (const Admin* admin : {&admin_, &metrics_}) {
    if (admin->server != nullptr) admin->server->Resume();
  }
  predecessor_->Serving();
  Serve();
}

void Router::Serve() {
  listeners_->TakePaths();
  for (const Admin* admin : {&admin_, &metrics_}) {
    if (admin->socket != nullptr) admin->socket->TakePath();
  }
  StoreSockets();
  reloads_->set_on_listeners([this] { StoreSockets(); });
  for (const SocketAddress& address : listeners_->addresses()) {
    LogEvent(LogLevel::kInfo, "listening").Text("address", address.ToString());
  }
  LogRoutes(reloads_->config());
  lifecycle_->Begin();
  if (admin_.socket != nullptr) {
    LogEvent(LogLevel::kInfo, "admin_listening")
        .Text("address", admin_.socket->address().ToString());
  }
  if (metrics_.socket != nullptr) {
    LogEvent(LogLevel::kInfo, "metrics_listening")
        .Text("address", metrics_.socket->address().ToString());
  }
  LogReady(reloads_->config(), {.routes_down = static_cast<int64_t>(reloads_->live().Down().size()),
                                .workers = worker_count_,
                                .connections = admission_.limit(),
                                .handshakes = handshake_limit_.limit(),
                                .handshakes_per_ip = admission_.handshakes_per_ip(),
                                .descriptors = budget_.descriptors,
                                .generation = static_cast<int64_t>(generations_.number()),
                                .sandbox = sandbox_});
  manager_talk_->Ready();
}

void Router::Upgrade(absl::AnyInvocable<void(bool, std::string)> done) {
  succession_->Begin([done = std::move(done)](const Handover::Outcome& outcome) mutable {
    if (!outcome.status.ok()) return done(false, std::string(outcome.status.message()));
    done(true,
         absl::StrCat("process ", outcome.pid, " serves now, as generation ", outcome.generation));
  });
}

// But those that a socket unit has anyway.
void Router::StoreSockets() {
  std::map<std::string, int> sockets;
  for (const Listeners::Offered& of : listeners_->Offer()) {
    if (of.of_unit) continue;
    sockets[StoredName{InheritedSockets::Use::kListener, of.wanted, of.bound}.ToString()] = of.fd;
  }
  for (const Admin* admin : {&admin_, &metrics_}) {
    if (admin->socket == nullptr || admin->socket->of_unit()) continue;
    sockets[StoredName{InheritedSockets::Use::kAdmin, admin->wanted, admin->socket->address()}
                .ToString()] = admin->socket->fd();
  }
  stored_.Store(sockets);
}

absl::Status Router::WatchJob(const JobEnd::What& what) {
  auto job = JobEnd::Watch(
      loop_.get(), what,
      [this] {
        return JobEnd::Use{admission_.connections() + static_cast<int64_t>(kernel_->open()),
                           admission_.admitted() + static_cast<int64_t>(kernel_->ever())};
      },
      [this](const std::string& sentence) { OnJobEnd(sentence); });
  if (!job.ok()) return job.status();
  job_end_ = *std::move(job);
  return absl::OkStatus();
}

// As on SIGTERM.
void Router::OnJobEnd(const std::string& sentence) {
  exit_code_ = job_end_->exit_code();
  LogEvent(LogLevel::kInfo, "job_ended").Text("message", sentence).Number("exit_code", exit_code_);
  Terminate();
}

// Whoever has asked for a hand-over is told of it, and takes the answer.
void Router::OnStopped() {
  if (admin_.server == nullptr || !succession_->is_done()) return loop_->Stop();
  admin_.server->AwaitIdle([this] { loop_->Stop(); });
}

// One that waits for its turn has nobody to drain.
void Router::Terminate() {
  if (lifecycle_->phase() == Phase::kStarting) return loop_->Stop();
  lifecycle_->Terminate(reloads_->config().shutdown);
}

void Router::OnSignal(int signal) {
  switch (signal) {
    case SIGINT:
    case SIGTERM:
      return Terminate();
    case SIGUSR2:
      return succession_->Begin([](const Handover::Outcome&) {});
    case SIGUSR1:
      return answers_->LogConnections();
    case SIGHUP:
      return reloads_->Reload(Reloader::Cause::kAsked);
    default:
      return;
  }
}

}  // namespace tlsbridge
