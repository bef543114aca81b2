// Starts the program again and again while one in so many of its allocations fails: it must go on,
// without those connections that could not be served, or end on purpose with one line.

#include <algorithm>
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

constexpr size_t kClients = 48;
constexpr size_t kClientsAtATime = 8;
constexpr size_t kPayloadBytes = 60'000;
constexpr int kEndedOnPurpose = 3;
constexpr char kLastWords[] = "tlsbridge: fatal: out of memory\n";

// Small allocations are operator new's, for the most part, and end the program. Large ones are
// BoringSSL's and the bridge's.
struct Fault {
  int one_in;
  int least_bytes;
};
constexpr Fault kFaults[] = {{3, 4096},      {1000, 0}, {10, 1024},
                             {2, 16 * 1024}, {5000, 0}, {30, 256}};

// Sends what only it can have sent, and expects that back.
class EchoClient final : public Actor {
 public:
  EchoClient(World* world, const bench::Address& program, TlsClientContext* tls, size_t number)
      : tls_(tls, /*resume=*/number % 2 == 1) {
    while (payload_.size() < kPayloadBytes) absl::StrAppend(&payload_, "client ", number, ", ");
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
    while (tls_.handshake_done() && sent_ < payload_.size()) {
      const size_t bytes = std::min(payload_.size() - sent_, TlsClient::kMostPlaintextBytes);
      tls_.Send(absl::string_view(payload_).substr(sent_, bytes));
      sent_ += bytes;
    }
    if (served() && !said_goodbye_) {
      said_goodbye_ = true;
      tls_.SendCloseNotify();
    }
    if (!tls_.output().empty() && socket_.ConnectResult() == 0) {
      tls_.output().erase(0, socket_.Send(tls_.output()));
    }
    if (served() || socket_.peer_end() != PeerEnd::kOpen) socket_.Close();
  }

  bool over() const { return !socket_.valid(); }
  bool served() const { return received_ == payload_; }
  // Empty if all that came is what should have.
  std::string Violation() const {
    if (!tls_.complaint().empty()) return "the program sent what is no TLS: " + tls_.complaint();
    if (payload_.compare(0, received_.size(), received_) != 0) return "it got another's bytes";
    return over() ? "" : "it still waits for an end";
  }

 private:
  Socket socket_;
  TlsClient tls_;
  std::string payload_;
  std::string received_;
  size_t sent_ = 0;
  bool said_goodbye_ = false;
};

struct Totals {
  size_t served = 0;
  size_t failed = 0;
  size_t went_on = 0;
  size_t ended = 0;
};

// The reason why it is a violation.
absl::Status RunOnce(const Options& options, size_t number, Totals* totals) {
  World world;
  TlsClientContext tls(/*tls13=*/number % 4 != 3);
  auto certificate = CertificateFiles::Create();
  if (!certificate.ok()) return certificate.status();
  auto backend = std::make_shared<EchoBackend>(&world);
  if (absl::Status status = backend->Open(); !status.ok()) return status;
  const Fault& fault = kFaults[number % std::size(kFaults)];
  auto started = Program::Start(
      &world, options.tlsbridge, backend->address(),
      {"--cert", (*certificate)->certificate(), "--key", (*certificate)->key(), "--drain-timeout",
       "1s", "--handshake-timeout", "2s", "--half-close-timeout", "2s"},
      {{"LD_PRELOAD", options.fault_shim},
       {"FAULT_ONE_ALLOCATION_IN", absl::StrCat(fault.one_in)},
       {"FAULT_LEAST_BYTES", absl::StrCat(fault.least_bytes)},
       {"FAULT_SEED", absl::StrCat(options.seed * 1'000'003 + number)}});
  if (!started.ok()) return started.status();
  Program& program = **started;
  const absl::Time deadline = World::Now() + options.patience;
  std::vector<std::shared_ptr<EchoClient>> clients;
  size_t over = 0;
  while (over < kClients && World::Now() < deadline) {
    while (clients.size() < kClients && clients.size() < over + kClientsAtATime) {
      clients.push_back(
          std::make_shared<EchoClient>(&world, program.address(), &tls, clients.size()));
    }
    world.Turn(absl::Milliseconds(10));
    while (over < clients.size() && clients[over]->over()) ++over;
  }
  for (const auto& client : clients) {
    if (const std::string violation = client->Violation(); !violation.empty()) {
      return absl::InternalError(violation);
    }
    ++(client->served() ? totals->served : totals->failed);
  }
  const std::optional<int> code = program.Stop(options.patience);
  if (code == kEndedOnPurpose && program.other_output() == kLastWords) {
    ++totals->ended;
    return absl::OkStatus();
  }
  if (code != 0 || !program.other_output().empty()) {
    return absl::InternalError(absl::StrCat("exit code ", code ? absl::StrCat(*code) : "none",
                                            ", and on standard error: ", program.other_output()));
  }
  ++totals->went_on;
  return absl::OkStatus();
}

}  // namespace

int RunAllocations(const Options& options) {
  Totals totals;
  for (size_t i = 0; i < options.allocations; ++i) {
    if (const absl::Status status = RunOnce(options, i, &totals); !status.ok()) {
      printf("VIOLATION: run %zu of seed %llu: %s\n", i,
             static_cast<unsigned long long>(options.seed), status.ToString().c_str());
      return 1;
    }
  }
  printf("%zu runs: %zu went on, %zu ended on purpose; %zu clients served, %zu not\n",
         options.allocations, totals.went_on, totals.ended, totals.served, totals.failed);
  return 0;
}

}  // namespace tlsbridge::chaos
