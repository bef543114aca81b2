#include <memory>
#include <vector>

#include "tools/bench/load/clock.h"
#include "tools/bench/load/connection.h"
#include "tools/bench/load/modes.h"
#include "tools/bench/net/protocol.h"

namespace tlsbridge::bench {
namespace {

class HandshakeRun;

class HandshakeClient final : public Connection {
 public:
  HandshakeClient(LoadContext& context, HandshakeRun& run) : Connection(context), run_(run) {}
  void Begin(bool resume);

 protected:
  void Advance() override;
  void OnClosed(bool in_order) override;

 private:
  void AwaitBackendsEnd();

  HandshakeRun& run_;
  absl::Duration began_;
  absl::Duration took_;
  bool sent_ = false;
  bool answered_ = false;
};

class HandshakeRun {
 public:
  explicit HandshakeRun(LoadContext& context) : context_(context) {}

  RunResult Run();
  // One connection is done; says whether its slot makes another at once.
  bool OnDone(HandshakeClient* client, bool in_order, absl::Duration took);

 private:
  void Prime();
  void RunForCount();
  void RunForDuration();
  void RunAtRate();
  void OpenAll();
  void AwaitAllClosed();

  LoadContext& context_;
  std::vector<std::unique_ptr<HandshakeClient>> clients_;
  RunResult result_;
  std::vector<HandshakeClient*> resting_;  // At a rate: slots without a connection.
  uint64_t left_ = UINT64_MAX;             // How many may still be started.
};

void HandshakeClient::Begin(bool resume) {
  sent_ = answered_ = false;
  began_ = MonotonicNow();
  Open(resume);
}

void HandshakeClient::Advance() {
  const bool backend_closes = context_.options.closer == Closer::kBackend;
  if (!sent_) {
    const auto command = EncodeCommand(backend_closes ? Command::kOneByte : Command::kEcho);
    const auto written = Write(command);
    if (!written || *written == 0) return;
    sent_ = true;
  }
  if (!answered_) {
    char reply[2];  // Room for one too many.
    const auto n = Read(absl::MakeSpan(reply));
    if (!n || *n == 0) return;
    const Command expected = backend_closes ? Command::kOneByte : Command::kEcho;
    if (*n != 1 || reply[0] != static_cast<char>(expected)) {
      return Fail(ErrorKind::kData, "the answer is not the byte that was sent");
    }
    answered_ = true;
    took_ = MonotonicNow() - began_;
    if (!backend_closes) return Close();
  }
  AwaitBackendsEnd();
}

void HandshakeClient::AwaitBackendsEnd() {
  char extra;
  const IoResult result = ReadRaw(absl::MakeSpan(&extra, 1));
  if (result.verdict == IoStatus::kBlocked) return;
  if (result.verdict == IoStatus::kOk) return Fail(ErrorKind::kData, "more than one byte came");
  if (result.verdict == IoStatus::kTruncated) ++context_.tally.ends_without_close_notify;
  if (result.verdict == IoStatus::kEnd || result.verdict == IoStatus::kTruncated) return Close();
  FailOn(result.verdict);
}

void HandshakeClient::OnClosed(bool in_order) {
  if (run_.OnDone(this, in_order, took_)) Begin(context_.options.resume);
}

bool HandshakeRun::OnDone(HandshakeClient* client, bool in_order, absl::Duration took) {
  // A slot that failed is not used again: the figure is lost, and a dead proxy must not be
  // hammered.
  if (!in_order) return false;
  if (context_.meter.running()) {
    ++result_.operations;
    result_.latency.Record(took);
  }
  if (context_.options.rate_per_second > 0) {
    resting_.push_back(client);
    return false;
  }
  if (left_ == 0) return false;
  --left_;
  return true;
}

// One full handshake, for its ticket.
void HandshakeRun::Prime() {
  left_ = 0;
  HandshakeClient first(context_, *this);
  first.Begin(false);
  context_.RunUntil([&first] { return first.closed(); });
  left_ = UINT64_MAX;
  if (!context_.tls->has_ticket()) {
    context_.tally.Error(ErrorKind::kResumption, "the proxy gave no ticket");
  }
}

void HandshakeRun::OpenAll() {
  for (int i = 0; i < context_.options.connections && left_ > 0; ++i) {
    --left_;
    clients_.push_back(std::make_unique<HandshakeClient>(context_, *this));
    clients_.back()->Begin(context_.options.resume);
  }
}

void HandshakeRun::AwaitAllClosed() {
  context_.RunUntil([this] {
    for (const auto& client : clients_) {
      if (!client->closed()) return false;
    }
    return true;
  });
}

void HandshakeRun::RunForCount() {
  left_ = context_.options.count;
  context_.meter.Start();
  OpenAll();
  AwaitAllClosed();
  context_.meter.Stop();
}

void HandshakeRun::RunForDuration() {
  const absl::Duration begin = MonotonicNow() + context_.options.warmup;
  OpenAll();
  context_.RunUntilTime(begin);
  context_.meter.Start();
  context_.RunUntilTime(begin + context_.options.duration);
  context_.meter.Stop();
  left_ = 0;
  AwaitAllClosed();
}

// Begun at the rate, whenever those before are done; where no slot is left, one is not begun.
void HandshakeRun::RunAtRate() {
  for (int i = 0; i < context_.options.connections; ++i) {
    clients_.push_back(std::make_unique<HandshakeClient>(context_, *this));
    resting_.push_back(clients_.back().get());
  }
  const absl::Duration interval = absl::Seconds(1) / context_.options.rate_per_second;
  const absl::Duration begin = MonotonicNow() + context_.options.warmup;
  const absl::Duration end = begin + context_.options.duration;
  for (absl::Duration next = MonotonicNow(); next < end; next += interval) {
    if (next >= begin && !context_.meter.running()) context_.meter.Start();
    context_.RunUntilTime(next);
    if (resting_.empty()) continue;
    HandshakeClient* const client = resting_.back();
    resting_.pop_back();
    client->Begin(context_.options.resume);
  }
  context_.meter.Stop();
  context_.RunUntil(
      [this] { return resting_.size() == clients_.size() || !context_.tally.clean(); });
}

RunResult HandshakeRun::Run() {
  if (context_.options.resume) Prime();
  if (context_.tally.clean()) {
    if (context_.options.rate_per_second > 0) {
      RunAtRate();
    } else {
      context_.options.count > 0 ? RunForCount() : RunForDuration();
    }
  }
  return std::move(result_);
}

}  // namespace

RunResult RunHandshakes(LoadContext& context) { return HandshakeRun(context).Run(); }

}  // namespace tlsbridge::bench
