// Holds many idle connections: what each costs, and how long it takes to be rid of all.

#include <sys/resource.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/chaos/certificate.h"
#include "tools/chaos/echo_backend.h"
#include "tools/chaos/options.h"
#include "tools/chaos/program.h"
#include "tools/chaos/socket.h"
#include "tools/chaos/tls_client.h"
#include "tools/chaos/world.h"

namespace tlsbridge::chaos {
namespace {

constexpr absl::string_view kEcho = "are you still there?";
constexpr size_t kHandshakesAtATime = 64;
constexpr absl::Duration kTurn = absl::Milliseconds(10);
constexpr absl::Duration kPatience = absl::Seconds(120);

class IdleClient final : public Actor {
 public:
  IdleClient(World* world, const bench::Address& program, TlsClientContext* tls)
      : tls_(tls, /*resume=*/false) {
    absl::StatusOr<Socket> socket = Socket::Dial(program, 0);
    if (!socket.ok()) return;
    socket_ = *std::move(socket);
    world->Watch(socket_.fd(), this);
  }
  void Step() override {
    if (!socket_.valid()) return;
    std::string raw;
    socket_.Receive(&raw, 1 << 16);
    tls_.Receive(raw, &received_);
    if (tls_.handshake_done() && !asked_) {
      asked_ = true;
      tls_.Send(kEcho);
    }
    Flush();
    // The program has ended it; so do we.
    if (socket_.peer_end() != PeerEnd::kOpen) socket_.Close();
  }
  void Leave() {
    tls_.SendCloseNotify();
    Flush();
    socket_.Close();
  }
  bool idle() const { return received_ == kEcho; }
  bool failed() const { return !socket_.valid(); }

 private:
  void Flush() {
    if (!tls_.output().empty() && socket_.ConnectResult() == 0) {
      tls_.output().erase(0, socket_.Send(tls_.output()));
    }
  }

  Socket socket_;
  TlsClient tls_;
  std::string received_;
  bool asked_ = false;
};

class IdleRun {
 public:
  explicit IdleRun(size_t count) : count_(count), tls_(/*tls13=*/true) {}

  absl::Status Start(const std::string& path) {
    auto certificate = CertificateFiles::Create();
    if (!certificate.ok()) return certificate.status();
    certificate_ = *std::move(certificate);
    backend_ = std::make_unique<EchoBackend>(&world_);
    if (absl::Status status = backend_->Open(); !status.ok()) return status;
    auto program = Program::Start(&world_, path, backend_->address(),
                                  {"--cert", certificate_->certificate(), "--key",
                                   certificate_->key(), "--drain-timeout", "60s"});
    if (!program.ok()) return program.status();
    program_ = *std::move(program);
    return absl::OkStatus();
  }

  absl::Status Connect() {
    const absl::Time begin = World::Now();
    size_t idle = 0;
    clients_.clear();
    while (idle < count_) {
      while (clients_.size() < count_ && clients_.size() < idle + kHandshakesAtATime) {
        clients_.push_back(std::make_unique<IdleClient>(&world_, program_->address(), &tls_));
      }
      world_.Turn(kTurn);
      while (idle < clients_.size() && clients_[idle]->idle()) ++idle;
      if (idle < clients_.size() && clients_[idle]->failed()) {
        return absl::UnavailableError(absl::StrCat("connection ", idle, " failed"));
      }
      if (World::Now() - begin > kPatience) {
        return absl::DeadlineExceededError(
            absl::StrCat("only ", idle, " connections after ", absl::FormatDuration(kPatience)));
      }
    }
    printf("%zu connections with one echo each in %.1f s\n", count_, Since(begin));
    return absl::OkStatus();
  }

  absl::Status Measure() {
    const int64_t before = program_->PssBytes();
    if (absl::Status status = Connect(); !status.ok()) return status;
    const int64_t after = program_->PssBytes();
    printf("PSS of the program: %.1f MiB before, %.1f MiB now: %.1f KiB a connection%s\n",
           static_cast<double>(before) / (1 << 20), static_cast<double>(after) / (1 << 20),
           static_cast<double>(after - before) / 1024 / static_cast<double>(count_),
           kSanitized ? " (sanitized: says nothing)" : "");
    return absl::OkStatus();
  }

  absl::Status CloseAll() {
    const absl::Time begin = World::Now();
    for (auto& client : clients_) client->Leave();
    if (!program_->WaitUntilEmpty(kPatience)) {
      return absl::InternalError("something is still alive: " + program_->last_dump());
    }
    printf("closed by their clients: nothing alive %.2f s later\n", Since(begin));
    return absl::OkStatus();
  }

  absl::Status Terminate() {
    const absl::Time begin = World::Now();
    const std::optional<int> code = program_->Stop(kPatience);
    if (code != 0) {
      return absl::InternalError(
          absl::StrCat("exit code after SIGTERM: ", code ? absl::StrCat(*code) : "none"));
    }
    printf("SIGTERM: exit %.2f s later; reasons: %s\n", Since(begin),
           program_->summary()["reasons"].dump().c_str());
    return absl::OkStatus();
  }

 private:
  static double Since(absl::Time begin) { return absl::ToDoubleSeconds(World::Now() - begin); }

  const size_t count_;
  World world_;
  TlsClientContext tls_;
  std::unique_ptr<CertificateFiles> certificate_;
  std::unique_ptr<EchoBackend> backend_;
  std::shared_ptr<Program> program_;
  std::vector<std::unique_ptr<IdleClient>> clients_;
};

absl::Status Run(const Options& options) {
  IdleRun run(options.idle);
  absl::Status status = run.Start(options.tlsbridge);
  if (status.ok()) status = run.Measure();
  if (status.ok()) status = run.CloseAll();
  if (status.ok()) status = run.Connect();
  if (status.ok()) status = run.Terminate();
  return status;
}

}  // namespace

int RunIdle(const Options& options) {
  // Both ends of every connection are here.
  rlimit limit;
  const size_t needed = 2 * options.idle + 64;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < needed) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, needed);
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < needed) {
      fprintf(stderr, "chaos: %zu connections need %zu descriptors; the limit is %lu\n",
              options.idle, needed, static_cast<unsigned long>(limit.rlim_max));
      return 2;
    }
  }
  if (const absl::Status status = Run(options); !status.ok()) {
    printf("VIOLATION: %s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}

}  // namespace tlsbridge::chaos
